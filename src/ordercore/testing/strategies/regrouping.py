"""Orders that may be split, and ways to split them."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

from hypothesis import assume, reject
from hypothesis import strategies as st

from ordercore.errors import OrdercoreError
from ordercore.goods import Manifest
from ordercore.order import Pay
from ordercore.order.rules.regrouping import may_split
from ordercore.order.split import ChargeShare, ChargeSplit, SplitPart
from ordercore.tender import OutcomeStatus, RefundStatus
from ordercore.tender.tenders import Channel
from ordercore.testing.story import Story, order_content, presale_lifecycle
from ordercore.testing.strategies.full import full_carts, quotes
from ordercore.testing.strategies.orders import cart_changes, manifests_of, offers
from ordercore.testing.strategies.plain import carts

if TYPE_CHECKING:
    from hypothesis.strategies import DrawFn, SearchStrategy

    from ordercore.order import Order
    from ordercore.pricing import Quote

__all__ = ["charge_splits", "settled_orders", "split_parts"]

_MOST = 4
"""Most parts of a drawn split."""


def _sold(*, presales: bool) -> SearchStrategy[Quote]:
    small = carts(max_lines=4, max_units=6, max_price=20_000)
    full = full_carts(max_lines=3, max_units=4, max_price=20_000)
    return quotes(small) | quotes(full) | quotes(full) | quotes(small, presales=presales)


@st.composite
def settled_orders(
    draw: DrawFn, of: SearchStrategy[Quote] | None = None, *, paid: bool = False
) -> Order:
    """Orders that may be split: unpaid, paid over several tenders (points in coarse steps, cash), with part of them
    refunded, amended so that more is due, or presold with the deposit paid.

    ``of`` are the quotes to begin with; ``paid``: all of the price is paid.
    """
    priced = draw(of if of is not None else _sold(presales=not paid))
    assume(sum([line.quantity for line in priced.lines]) > 1)
    presold = priced.cart.presale is not None
    lifecycle = presale_lifecycle() if presold else None
    content = order_content(priced, reservation="res-1", lifecycle=lifecycle)
    story = Story(content, lifecycle=lifecycle, pricing=priced.policy, facts=priced.facts)
    steps = draw(st.lists(st.sampled_from(["refund", "amend"]), max_size=2))
    try:
        if paid or draw(st.integers(0, 5)):
            _pay(draw, story, presold=presold)
        for step in () if paid or presold else steps:
            order = story.order
            if step == "refund" and order.payments.keeps() and order.refundable() and not order.due:
                goods = draw(manifests_of(order, order.refundable()))
                units = {str(line): count for line, count in goods}
                story.refund(units, status=draw(st.sampled_from([None, RefundStatus.ARRIVED])))
            elif step == "amend":
                story.amend(*draw(cart_changes(order)))
    except OrdercoreError:
        reject()
    assume(may_split(story.order, story.situation()) is None)
    return story.order


def _pay(draw: DrawFn, story: Story, *, presold: bool) -> None:
    if not story.order.total:
        return
    if presold:
        story.pay(Channel("card"))
        return
    story.send(Pay(draw(offers(story.order.content, cash=True)).plan(story.order.content)))
    story.answer(OutcomeStatus.CAPTURED)


@st.composite
def split_parts(draw: DrawFn, order: Order) -> tuple[SplitPart, ...]:
    """Two parts or more of what is left of ``order``; lines go whole, or their units go apart."""
    left = [(line, int(units)) for line, units in order.refundable()]
    count = draw(st.integers(2, _MOST))
    goods: list[dict[str, int]] = [{} for _ in range(count)]
    for line, units in left:
        if draw(st.booleans()):
            goods[draw(st.integers(0, count - 1))][str(line)] = units
            continue
        cuts = sorted(draw(st.lists(st.integers(0, units), min_size=count - 1, max_size=count - 1)))
        for mine, (first, end) in zip(goods, pairwise([0, *cuts, units]), strict=True):
            if end > first:
                mine[str(line)] = end - first
    goods = [mine for mine in goods if mine]
    if len(goods) == 1:  # one unit goes apart
        (one, units), *_ = goods[0].items()
        goods[0][one] = units - 1
        goods = [{name: n for name, n in goods[0].items() if n}, {one: 1}]
    return tuple([SplitPart(str(k + 1), Manifest.of(mine)) for k, mine in enumerate(goods)])


@st.composite
def charge_splits(draw: DrawFn, order: Order, parts: int) -> ChargeSplit:
    """Any rule for sharing charges; some charges by weights of their own."""
    given = []
    for charge in order.content.charges:
        if draw(st.integers(0, 3)) == 3:
            weights = draw(st.lists(st.integers(0, 9), min_size=parts, max_size=parts).filter(any))
            given.append((str(charge.id), tuple(weights)))
    by = st.sampled_from(ChargeShare)
    return ChargeSplit(draw(by), draw(by), tuple(given))
