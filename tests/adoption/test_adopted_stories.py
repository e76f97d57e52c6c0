"""Orders that ordercore drove itself, told as snapshots and taken over: the figures stay the same."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

import attrs
import pytest
from hypothesis import assume, given

from ordercore.adoption import (
    Opening,
    Snapshot,
    SnapshotCharge,
    SnapshotLine,
    SnapshotPayment,
    SnapshotRefund,
    SnapshotShipment,
    opening,
)
from ordercore.errors import NotAllowed
from ordercore.goods import LineId, Manifest, Quantity
from ordercore.ledger import AccountKind
from ordercore.money import Percent, from_minor
from ordercore.order import (
    FACTS,
    Adopted,
    Amended,
    CommandKind,
    Overruled,
    Recovered,
    RefundOrder,
    allowed,
    decide,
    replay,
    standing,
)
from ordercore.order.posting import posting
from ordercore.order.rules.aftercare import matrix_holds
from ordercore.pricing import BORDER_CHARGES, Cart, PricingPolicy, Quote, QuoteCharge
from ordercore.tender import AttemptState, TenderKind, refund, refundable
from ordercore.testing import Story, laws, stories

if TYPE_CHECKING:
    from ordercore.money import Money
    from ordercore.order import Order, OrderContent
    from ordercore.tender import Refund

driven = stories()


def told(order: Order) -> Snapshot:
    """What a host would tell of ``order``."""
    content, payments = order.content, order.payments

    def amount(minor: int) -> Money:
        return from_minor(minor, content.currency)

    taken = [a for a in payments.attempts if a.state is AttemptState.CAPTURED]
    places = {attempt.id: i for i, attempt in enumerate(taken)}
    lines = {line.id for line in content.lines}

    def refunded(back: Refund) -> SnapshotRefund:
        goods = {row.row: row.units for row in back.rows if row.row in lines}
        over = tuple((places[leg.attempt], amount(leg.amount)) for leg in back.legs)
        return SnapshotRefund(
            amount(back.amount) if back.amount else None,
            Manifest.of(goods),
            tuple(row.row for row in back.rows if row.row not in lines),
            arrived=back.arrived,
            over=over,
        )

    return Snapshot(
        content.number,
        content.currency,
        content.placed_at,
        tuple(
            SnapshotLine(
                line.sku, line.quantity, amount(line.unit_price), amount(line.total),
                Percent(line.tax_ppm), amount(line.tax), line.tax_included,
                amount(line.discount + line.order_discount), amount(line.freight), id=line.id,
            )
            for line in content.lines
        ),
        order.state,
        lifecycle=content.lifecycle,
        lifecycle_version=content.lifecycle_version,
        valid=None if order.handling.review is None else order.handling.review.valid,
        charges=tuple(
            SnapshotCharge(
                amount(c.total), c.id, c.kind, tax_rate=Percent(c.tax_ppm), tax=amount(c.tax)
            )
            for c in content.charges
        ),
        total=amount(content.total),
        payments=tuple(
            SnapshotPayment(a.gateway, amount(a.amount), a.reference, a.kind, a.points, a.account, a.at)
            for a in taken
        ),
        refunds=tuple(refunded(back) for back in payments.refunds),
        shipments=tuple(SnapshotShipment(s.goods, s.at) for s in order.delivery.shipments),
        received_at=order.delivery.received_at,
        entered_at=order.entered_at,
        pay_by=content.pay_by,
        recognized=order.recognized,
        kept=amount(payments.forfeited) if payments.forfeited else None,
    )  # fmt: skip


def plain(content: OrderContent) -> bool:
    """Whether a host tells its figures by itself: one tax on each row, nothing collected for a state, and no part
    to be paid later."""
    if content.cart is not None and content.cart.presale is not None:
        return False
    return not any(
        row.parts or row.funded or (isinstance(row, QuoteCharge) and row.kind in BORDER_CHARGES)
        for row in content.rows()
    )


def priced(content: OrderContent) -> Quote:
    """What was agreed, as the quote of its cart."""
    cart = content.cart or Cart(content.currency, ())
    return Quote(
        content.currency, content.lines, content.charges, content.discounts, content.taxes,
        content.subtotal, content.discount, content.tax, content.net, content.total,
        content.rounding, content.scope, content.priced_at, content.priced_at, cart,
        PricingPolicy(),
    )  # fmt: skip


def adopted(story: Story) -> Opening:
    """The story's order, taken over as it stands: by the host's own figures where they say all, else by its cart."""
    snapshot = told(story.order)
    if not plain(story.order.content):
        quote = priced(story.order.content)
        snapshot = attrs.evolve(snapshot, lines=(), charges=(), cart=quote.cart)
        return opening(
            snapshot, snapshot.state, story.situation(), order_id="o-2", quote=quote,
            grace=timedelta(0),
        )  # fmt: skip
    return opening(snapshot, snapshot.state, story.situation(), order_id="o-2", grace=timedelta(0))


def quiet(story: Story) -> bool:
    """Whether nothing is under way that a host would have to wait for, and its course was the lifecycle's own.

    What was changed or recovered has a price of its own history; what was moved by hand may be anywhere;
    of what was adopted already, nobody knows. That an order is closed for good is not told.
    """
    order = story.order
    odd = order.handling.sealed or any(
        isinstance(event, Adopted | Amended | Recovered | Overruled) for event in story.events
    )
    return not (order.payments.in_flight or order.closing is not None or odd)


@given(driven)
def test_an_adopted_order_has_the_figures_that_it_had(story: Story) -> None:
    """Due, paid, refunded and refundable by unit are those of the order as it was driven."""
    was = story.order
    assume(quiet(story))
    now = adopted(story).order
    then, here = standing(was), standing(now)
    assert (here.due, here.paid, here.refunded, here.owed) == (
        then.due, then.paid, then.refunded, then.owed,
    )  # fmt: skip
    laws.refunds_bounded(now.payments)
    laws.amounts_agree(now)
    ask = [refundable(o.content.lines, o.content.charges, o.payments) for o in (was, now)]
    assert ask[0] == ask[1]


@given(driven)
def test_each_unit_left_is_refunded_as_it_would_have_been(story: Story) -> None:
    """One unit more of each line gives back the same amount, net and tax, where what was paid is allotted to units."""
    was = story.order
    assume(quiet(story))
    now = adopted(story).order
    assert matrix_holds(now) == matrix_holds(was)
    if not matrix_holds(was):
        return  # of a deposit no unit has a share: it goes back as a whole
    plan = was.payments.plan
    assume(plan is None or not plan.discounted)  # a host tells a price reduction as a discount
    units = was.refundable() if was.payments.captured > was.payments.refunded else ()
    for line, _ in units:
        found = []
        for order in (was, now):
            content = order.content
            goods = Manifest(((LineId(line), Quantity(1)),))
            asked = refund(
                "r", content.lines, content.charges, order.payments, goods, (), "",
                recognized=False,
            )  # fmt: skip
            row = asked.rows[0]
            found.append((row.amount, row.net, row.tax))
        assert found[0] == found[1]


@given(driven)
def test_l8_all_that_is_left_can_go_back(story: Story) -> None:
    """A refund of all that is left is refused where it would have been; else it gives the same, and empties
    every payment but for what is kept for good."""
    assume(quiet(story))
    everything, was = RefundOrder("r-9", None, "all"), story.order
    now = adopted(story).order
    try:
        before = decide(was, everything, story.situation()).order
    except NotAllowed:
        with pytest.raises(NotAllowed):
            decide(now, everything, story.situation())
        return
    done = decide(now, everything, story.situation()).order
    laws.refunds_bounded(done.payments)
    kept = done.payments.forfeited
    assert kept == before.payments.forfeited
    assert done.payments.refunded == before.payments.refunded == done.payments.captured - kept
    assert done.state == before.state
    assert sum(done.payments.left(attempt) for attempt in done.payments.attempts) == kept
    for attempt in done.payments.attempts:
        assert done.payments.left(attempt) >= 0
        if attempt.kind is TenderKind.POINTS:
            legs = [x for r in done.payments.refunds for x in r.legs if x.attempt == attempt.id]
            assert sum(leg.points for leg in legs) == attempt.points


ELSEWHERE = {
    CommandKind.AMEND,
    CommandKind.COMBINE,
    CommandKind.RECOVER,
    CommandKind.CONFIRM_PAYMENT,
    CommandKind.REROUTE_REFUND,
}
"""What needs the cart, attempts that took nothing, or the word that a refund failed: this host tells none of it."""


@given(driven)
def test_an_adopted_order_lets_do_what_it_let_do(story: Story) -> None:
    """The commands that staff may send are the same, but for those that need what was not told: clocks that were held."""
    assume(quiet(story) and not story.order.handling.pauses)
    by = story.situation()
    found = [
        {p.command for p in allowed(order, by) if p.possible} - ELSEWHERE
        for order in (story.order, adopted(story).order)
    ]
    assert found[0] == found[1]


@given(driven)
def test_l9_opening_entries_balance(story: Story) -> None:
    """The entries add up to zero; advances and deposits are what was paid, not refunded, not kept and not yet earned."""
    assume(quiet(story))
    opened = adopted(story)
    order = opened.order
    entries = posting(order, opened.decision.events)
    laws.books_balance(entries)
    part = order.presale is not None and not FACTS["paid_in_full"](order)
    here, there = AccountKind.ADVANCES, AccountKind.DEPOSITS_HELD
    if part:
        here, there = there, here
    held = order.payments.captured - order.payments.refunded - order.payments.forfeited
    sums = {kind: -sum(e.amount for e in entries if e.account is kind) for kind in (here, there)}
    assert sums == {here: 0 if order.recognized else held, there: 0}


@given(driven)
def test_l15_an_adopted_order_replays(story: Story) -> None:
    """Folding its events gives the order, marks included."""
    assume(quiet(story))
    opened = adopted(story)
    laws.replay_gives(opened.order, [(event, story.at) for event in opened.decision.events])
    assert replay([(event, story.at) for event in opened.decision.events]) == opened.order
