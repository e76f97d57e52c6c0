"""The shop of the figures: the floor's cart, tenders and rates, through the public engine.

Nothing here takes a short way: carts are built from decimal texts as a host builds them,
clock, ids, store, stock and gateways are those that the library ships.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from benchmarks import floor
from ordercore import (
    Actor,
    AmountOff,
    Cart,
    CartLine,
    OrderEngine,
    Percent,
    PointsRate,
    Policies,
    PricingPolicy,
    ShippingCharge,
    SystemClock,
    TaxPolicy,
    TaxRate,
    TenderPolicy,
    TenderRule,
    tenders,
)
from ordercore.adapters.memory import AccountGateway, MemoryGateway, MemoryStock, MemoryStore
from ordercore.money import money

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ordercore import Order, OrderStore

__all__ = ["BY", "OFFERS", "POLICIES", "build", "cart", "keys", "lines_cart", "way", "written_cart"]

BY = Actor.staff("benchmark")
RICH = 10**15
"""What each account holds: enough for any run."""

POLICIES = Policies(
    pricing=PricingPolicy(
        tax=TaxPolicy(
            (
                TaxRate(Percent.of("8.25"), "825"),
                TaxRate(Percent.of("20"), "2000"),
                TaxRate(Percent.of("0"), "0"),
                TaxRate(Percent.of("0"), "shipping"),
            ),
            prices_include_tax=False,
        )
    ),
    # the floor's order of tenders
    tenders=TenderPolicy(
        (TenderRule("coupon"), TenderRule("points", PointsRate()), TenderRule("balance"))
    ),
)


def _text(minor: int) -> str:
    return f"{minor // 100}.{minor % 100:02d}"


# What a host has in hand: sku, units, price, discount, tax category, tax included.
Written = tuple[str, int, str, str, str, bool]


def _written(lines: Iterable[floor.Line]) -> list[Written]:
    return [
        (sku, units, _text(price), _text(off) if off else "", str(rate), inside)
        for sku, units, price, off, rate, inside in lines
    ]


_WRITTEN = _written(floor.CART)
_DISCOUNT, _SHIPPING = _text(floor.DISCOUNT), _text(floor.SHIPPING)

OFFERS = (
    tenders.StoredValue("gift", money("5.00", "USD"), gateway="coupon"),
    tenders.Points(300, "member"),
    tenders.Balance(money("10.00", "USD"), "member"),
    tenders.Channel("card"),
)


def cart(times: int = 1) -> Cart:
    """The floor's cart, from texts; ``times`` as many units of each line."""
    return _cart(_WRITTEN, times)


def lines_cart(count: int) -> Cart:
    """A cart with ``count`` lines."""
    some = [_WRITTEN[i % len(_WRITTEN)] for i in range(count)]
    return _cart([(f"{line[0]}-{i}", *line[1:]) for i, line in enumerate(some)], 1)


def written_cart(lines: Iterable[floor.Line]) -> Cart:
    """Any of the floor's carts."""
    return _cart(_written(lines), 1)


def _cart(written: Iterable[Written], times: int) -> Cart:
    return Cart(
        "USD",
        tuple(
            [
                CartLine(
                    sku,
                    units * times,
                    money(price, "USD"),
                    discounts=(AmountOff(money(off, "USD")),) if off else (),
                    tax_category=rate,
                    tax_included=inside,
                )
                for sku, units, price, off, rate, inside in written
            ]
        ),
        discounts=(AmountOff(money(_DISCOUNT, "USD")),),
        shipping=ShippingCharge(money(_SHIPPING, "USD"), tax_included=False),
    )


def build(store: OrderStore | None = None) -> OrderEngine:
    """An engine with the ports that the library ships, in memory unless a store is given."""
    clock = SystemClock()
    gateways = {
        "coupon": AccountGateway("coupon", clock, {"gift": RICH}),
        "points": AccountGateway("points", clock, {"member": RICH}, points=True),
        "balance": AccountGateway("balance", clock, {"member": RICH}),
        "card": MemoryGateway("card", clock),
    }
    return OrderEngine(
        MemoryStore() if store is None else store,
        gateways,
        MemoryStock(clock),
        POLICIES,
        clock=clock,
    )


def keys(count: int, mark: str = "") -> list[floor.Keys]:
    """The idempotency keys of ``count`` orders, six for each: hosts have them ready."""
    return [
        (f"q{mark}{i}", f"p{mark}{i}", f"a{mark}{i}", f"s{mark}{i}", f"d{mark}{i}", f"c{mark}{i}")
        for i in range(count)
    ]


def way(engine: OrderEngine, bought: Cart, names: floor.Keys) -> Order:
    """The whole way of one order: quote, place, plan and pay with four tenders, five steps."""
    k0, k1, k2, k3, k4, k5 = names
    order = engine.place(engine.quote(bought), key=k0, by=BY).id
    engine.pay(order, OFFERS, key=k1, by=BY)
    engine.accept(order, key=k2, by=BY)
    engine.ship(order, key=k3, by=BY)
    engine.deliver(order, key=k4, by=BY)
    return engine.complete(order, key=k5, by=BY)
