"""What was sold, by where it came from."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.engine.world import STAFF, World
from tests.stored import paid

from ordercore.figures import Sales, SalesBy, sales_by
from ordercore.goods import Manifest
from ordercore.money import money
from ordercore.order import Cancel, Order
from ordercore.party import Address, Attribution
from ordercore.pricing import Cart, CartLine, PricingPolicy, quote
from ordercore.tender import RefundStatus
from ordercore.tender.tenders import Channel
from ordercore.testing import START, Story, order_content
from ordercore.testing.strategies import orders


def sold(
    campaign: str = "", country: str = "", currency: str = "EUR", units: int = 2, shop: str = ""
) -> Story:
    """An order of some units at 10.00."""
    cart = Cart(
        currency,
        (CartLine("TEA", units, money("10.00", currency)),),
        shop=shop,
        address=Address(country=country),
        attribution=Attribution("eu", "app", campaign),
    )
    return Story(order_content(quote(cart, PricingPolicy(), START)))


def test_sales_are_told_apart_by_campaign_and_currency() -> None:
    """Each campaign has its sums, each currency for itself; what was canceled is counted, not summed."""
    done, returned, gone, other = sold("spring"), sold("spring", units=3), sold("spring"), sold()
    done.pay(Channel("card"))
    returned.pay(Channel("card"))
    returned.refund({"1": 1}, status=RefundStatus.ARRIVED)
    gone.send(Cancel("changed my mind", "r-1"))
    dollars = sold("spring", currency="USD")
    told = sales_by([s.order for s in (done, returned, gone, other, dollars)], SalesBy.CAMPAIGN)
    assert told == (
        Sales("", "EUR", 1, 0, 2, 2000, 0, 0, 0),
        Sales("spring", "EUR", 3, 1, 5, 5000, 5000, 1000, 5000),
        Sales("spring", "USD", 1, 0, 2, 2000, 0, 0, 0),
    )


@pytest.mark.parametrize(
    ("by", "group"),
    [
        (SalesBy.SHOP, "north"),
        (SalesBy.SITE, "eu"),
        (SalesBy.CHANNEL, "app"),
        (SalesBy.CAMPAIGN, "spring"),
        (SalesBy.COUNTRY, "DE"),
    ],
)
def test_a_group_is_what_the_order_says(by: SalesBy, group: str) -> None:
    """Shop, site, channel and campaign are the host's own words, the country is that of the address."""
    (told,) = sales_by([sold("spring", "DE", shop="north").order], by)
    assert (told.group, told.orders, told.total) == (group, 1, 2000)


def test_money_that_is_held_as_agreed_counts_as_paid_and_is_not_received() -> None:
    """Paid is what counts: received is less while money is only held, and what is let go was refunded, never received."""
    orders = [change.order for change in paid.held_story()]
    held = next(order for order in orders if order.state == "paid")
    (told,) = sales_by([held], SalesBy.SHOP)
    assert (told.paid, told.received, told.refunded) == (32_097, 2_000, 0)
    (told,) = sales_by([orders[-1]], SalesBy.SHOP)
    let_go = 1_191
    assert (told.paid, told.received) == (32_097, 32_097 - let_go)
    assert told.refunded == 1_269 + 2 * 8_249


def test_a_forfeited_deposit_stays_with_the_shop() -> None:
    """Of an order whose balance did not come, what was not refunded is what the shop keeps."""
    order = paid.presale_story()[-1].order
    (told,) = sales_by([order], SalesBy.SHOP)
    assert (told.released, told.units, told.total) == (1, 0, 0)
    assert told.paid - told.refunded == order.payments.forfeited == 5_405


def test_no_orders_are_no_sales() -> None:
    """Nothing comes to nothing."""
    assert sales_by([], SalesBy.SITE) == ()


@given(st.lists(orders(max_steps=6), max_size=4), st.sampled_from(SalesBy))
def test_the_groups_add_up_to_all_orders(found: list[Order], by: SalesBy) -> None:
    """However they are told apart, orders, totals and money add up to the same for each currency."""
    told = sales_by(iter(found), by)
    sums: Counter[tuple[str, str]] = Counter()
    for row in told:
        sums["orders", row.currency] += row.orders
        sums["total", row.currency] += row.total
        sums["kept", row.currency] += row.paid - row.refunded
    expected: Counter[tuple[str, str]] = Counter()
    for order in found:
        expected["orders", order.currency] += 1
        expected["total", order.currency] += 0 if order.handling.released else order.total
        expected["kept", order.currency] += order.payments.captured - order.payments.refunded
    assert sums == expected
    assert list(told) == sorted(told, key=lambda row: (row.group, row.currency))


def test_an_order_that_was_split_is_counted_with_its_parts() -> None:
    """The whole and its parts come to what the whole came to: no order and no money is counted twice."""
    world = World()
    order = world.paid()
    before = sales_by([order], SalesBy.SHOP)
    world.engine.refund(order.id, Manifest.of({"1": 1}), reason="late", key="r", by=STAFF)
    found = world.engine.split(
        order.id, [Manifest.of({"2": 1}), Manifest.of({"3": 1})], key="s", by=STAFF
    )
    (told,) = sales_by([found.order, *found.children], SalesBy.SHOP)
    (was,) = before
    assert (told.orders, told.released, told.units) == (2, 0, 2)
    assert (told.paid, told.refunded, told.received) == (was.paid, 8999, was.received)
