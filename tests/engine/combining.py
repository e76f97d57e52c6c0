"""A shop whose customer has several orders: what tests of merging share."""

from __future__ import annotations

from copy import copy
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest
from tests.engine.world import CHANNEL, PLAIN, SHOPPER, STAFF, World, world_policies

from ordercore import (
    Cart,
    CartLine,
    Manifest,
    Money,
    NotAllowed,
    OrderEngine,
    Party,
    Policies,
    PricingPolicy,
    ShippingCharge,
)
from ordercore.adapters.memory import MemoryCouponBook, MemoryStore
from ordercore.engine import Shop
from ordercore.order import AddLine
from ordercore.pricing import Conditions, CouponTerms, Layer, OrderAmount, Promotion, ShippingOff
from ordercore.testing import laws

if TYPE_CHECKING:
    from ordercore import Actor, Order
    from ordercore.engine.merging import Combination

AGENT = "purchasing_agent"
FREE_FROM_120 = Policies(
    pricing=PricingPolicy(
        layers=(
            Layer(
                "freight",
                (
                    Promotion(
                        "free120", ShippingOff(), when=Conditions(at_least=Money("120", "CNY"))
                    ),
                ),
            ),
        )
    )
)
"""No freight from 120.00 on."""


def off(name: str, amount: str, group: str = "") -> Promotion:
    """So much off with a coupon."""
    return Promotion(name, OrderAmount(Money(amount, "CNY")), group=group, coupon=CouponTerms())


CODES = Policies(
    pricing=PricingPolicy(
        layers=(Layer("coupons", (off("a", "5.00"), off("b", "5.00"), off("c", "2.00"))),)
    )
)
"""Coupons that may be used together: 5.00, 5.00 and 2.00 off."""
ONE_CODE = Policies(
    pricing=PricingPolicy(
        layers=(Layer("coupons", (off("a", "5.00", "one"), off("b", "5.00", "one"))),)
    )
)
"""Coupons of which an order takes one."""

TO_WAREHOUSE = ("pay", "receive_at_warehouse")
TO_PACKING = (*TO_WAREHOUSE, "propose_packing", "confirm_packing")
WAYS: dict[str, tuple[str, ...]] = {
    "awaiting_payment": (),
    "awaiting_additional_payment": ("pay", "add"),
    "processing": ("pay",),
    "additional_order": ("pay", "add", "pay"),
    "processing_at_warehouse": TO_WAREHOUSE,
    "awaiting_confirmation_of_packing": (*TO_WAREHOUSE, "propose_packing"),
    "ready_for_packing": TO_PACKING,
    "ready_to_ship": (*TO_PACKING, "pack"),
    "shipped": (*TO_PACKING, "pack", "ship"),
    "completed": ("pay", "close"),
    "canceled": ("cancel",),
    "pending_payment": (),
    "paid": ("pay",),
    "awaiting_shipment": ("pay", "accept"),
}
"""What leads an order to a state."""


def cart(
    sku: str, price: str, freight: str = "", units: int = 1, *, line: str = "", **fields: Any
) -> Cart:
    """Some units of one article for customer c1, with the freight of a parcel."""
    shipping = ShippingCharge(Money(freight, "CNY")) if freight else None
    lines = (CartLine(sku, units, Money(price, "CNY"), id=line),)
    return Cart("CNY", lines, **{"shipping": shipping, "customer": Party("c1"), **fields})


@cache
def composed() -> OrderEngine:
    """An engine that knows both lifecycles, composed in the usual way."""
    return OrderEngine(MemoryStore(), policies=PLAIN, lifecycles=[AGENT])


class Merging(World):
    """A world that knows the lifecycle of the purchasing agent beside the standard one."""

    def __init__(
        self, lifecycle: str = AGENT, *, policies: Policies | None = None, **options: Any
    ) -> None:
        self.lifecycle = lifecycle
        self.coupons: Any = None
        self.with_coupons = options.pop("coupons", False)
        super().__init__(
            policies=policies or (CODES if self.with_coupons else world_policies()), **options
        )

    def another(self, policies: Policies | None = None, **ports: Any) -> OrderEngine:
        """Another process over the same ports, with other policies or another port."""
        if self.with_coupons and self.coupons is None:
            self.coupons = MemoryCouponBook(self.clock)
            for code, promotion in (("A", "a"), ("B", "b"), ("C", "c")):
                self.coupons.issue(code, promotion)
        given = policies or self.policies
        given.check()
        ports = {
            "store": self.store, "gateways": dict(self.gateways), "stock": self.stock,
            "coupons": self.coupons, "policies": given, **ports,
        }  # fmt: skip
        # a hundred worlds: the charts are checked and compiled once
        engine = copy(composed())
        engine.shop = Shop(
            **ports, clock=self.clock, ids=self.ids, lifecycles=composed().shop.lifecycles
        )
        return engine

    def place(self, what: Cart, *steps: str, lifecycle: str = "") -> Order:
        """An order, brought along by steps."""
        order = self.engine.place(
            self.engine.quote(what), key=self.key(), by=SHOPPER,
            lifecycle=lifecycle or self.lifecycle,
        )  # fmt: skip
        for step in steps:
            order = self.step(order, step)
        return order

    def step(self, order: Order, step: str) -> Order:
        """One step of an order's way: its payment, an addition of 10.00, a verb, or a word of its lifecycle."""
        engine, key = self.engine, self.key()
        if step == "pay":
            return self.pay(order, CHANNEL).order
        if step == "add":
            extra = AddLine(CartLine("SKU-3", 1, Money("10.00", "CNY")))
            return engine.amend(order.id, [extra], key=key, by=STAFF).order
        if step == "cancel":
            return engine.cancel(order.id, reason="not wanted", key=key, by=STAFF)
        if step == "close":
            return engine.close(order.id, reason="by hand", key=key, by=STAFF)
        if step == "accept":
            return engine.accept(order.id, key=key)
        if step == "ship":
            return engine.ship(order.id, key=key)
        return engine.advance(order.id, step, key=key, by=STAFF)

    def pair(self, basic: str, added: str) -> tuple[Order, Order]:
        """Two orders of one customer, each in its state."""
        one = self.place(cart("SKU-1", "80.00"), *WAYS[basic])
        other = self.place(cart("SKU-2", "60.00"), *WAYS[added])
        assert (one.state, other.state) == (basic, added)
        return one, other

    def combine(
        self, basic: Order, added: Order, *, by: Actor = STAFF, key: str = "", **options: Any
    ) -> Combination:
        """Put one order to another."""
        return self.engine.combine(basic.id, added.id, key=key or self.key(), by=by, **options)

    def unmerge(self, order: Order) -> tuple[Order, Order]:
        """Let the last one go again."""
        return self.engine.unmerge(order.id, key=self.key(), by=STAFF)

    def give_back(self, order: Order, *lines: str) -> Order:
        """Refund one unit of each line, or all that is left."""
        goods = Manifest.of(dict.fromkeys(lines, 1)) if lines else None
        return self.engine.refund(
            order.id, goods, reason="returned", key=self.key(), by=STAFF
        ).order

    def refused(self, basic: Order, added: Order, **options: Any) -> NotAllowed:  # type: ignore[override]
        """The refusal to merge two orders; the preview says the same, and nothing changed (L12)."""
        before = self.snapshot()
        by = options.pop("by", STAFF)
        with pytest.raises(NotAllowed) as caught:
            self.engine.combine(basic.id, added.id, key="refused", by=by, **options)
        with pytest.raises(NotAllowed) as seen:
            self.engine.preview_combine(basic.id, added.id, by=by, **options)
        assert seen.value.reason == caught.value.reason
        assert self.snapshot() == before, "L12: a refused command changed something"
        return caught.value

    def held(self) -> dict[str, int]:
        """Goods held under whatever names."""
        found: dict[str, int] = {}
        for reservation in self.stock._reserved.values():
            for sku, units in reservation.goods.items():
                found[sku] = found.get(sku, 0) + units
        return found

    def taken(self) -> dict[str, int]:
        """What each gateway holds of the shopper's money, in minor units; those that hold none are left out."""
        return {name: g.taken for name, g in self.gateways.items() if g.taken}

    def check(self, *, settled: bool = True, stocked: bool = True) -> None:
        """The laws of every order and its books; no goods and no money are with nobody, none with two."""
        laws.trial_balance_is_zero(self.engine.trial_balance())
        needs: dict[str, int] = {}
        net = 0
        for order in self.orders():
            told = self.store.journal(order.id)
            laws.replay_gives(order, [(t.event, t.at) for t in told])
            balances = self.engine.trial_balance(order.id)
            bank = sum([attempt.charged_back for attempt in order.payments.attempts])
            net -= bank
            if order.handling.gone:
                stands = {b.account.value: b.amount for b in balances if b.amount}
                owed = {"receivable": bank, "clearing": -bank} if bank else {}
                assert stands == owed, "L9: money of an order that is gone"
                continue
            laws.amounts_agree(order)
            laws.refunds_bounded(order.payments)
            laws.books_tell_the_money(order, balances)
            assert not order.payments.in_flight or not settled
            net += order.payments.captured - order.payments.refunded
            for sku, units in order.stock_kept():
                needs[sku] = needs.get(sku, 0) + units
        assert net == sum(self.taken().values()), "L21: money is with nobody, or with two"
        self.stock.free("SKU-1")  # lets what has lapsed lapse
        assert not stocked or self.held() == needs, f"L22: {self.held()} is held, {needs} is needed"


def status(book: MemoryCouponBook, code: str) -> str:
    """What became of a code."""
    return book.find([code], "c1")[0].status.value
