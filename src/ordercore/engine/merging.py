"""Merging distinct orders: freight is priced again, and the saving shown; the one is never dearer than the two.

The basic order takes all items and awaits payment; once nothing is due it goes on, in the same write, to the
earlier of the two stages. What was paid above the new price goes back.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from ordercore.change import Receipt
from ordercore.engine.amending import cart_of, let_go
from ordercore.engine.discharging import discharge
from ordercore.engine.flow import call
from ordercore.engine.placing import Promises, checked_key, content_again, hold_codes
from ordercore.engine.quoting import quote_cart
from ordercore.engine.regrouping import Together, asked, made, owned, step, written_together
from ordercore.engine.shop import (
    AMENDED,
    COUPONS,
    acting,
    checked_texts,
    digest,
    foreign,
    load,
    owing,
    repeated,
    situation,
)
from ordercore.errors import CouponUnavailable, InvalidInput, NotAllowed, PriceChanged
from ordercore.money import decimal_text
from ordercore.order import Amended, Order, Placed, Recovered
from ordercore.order.commands import CombineOrders, MergeInto, RestoreOrder, UnmergeOrder
from ordercore.order.events import Adopted, Combined, Rejoined, SplitOff, Unmerged
from ordercore.order.evolve import evolve
from ordercore.order.handling import MergedIn
from ordercore.order.merge import (
    MergeMatrix,
    MergeRefusal,
    MergeRule,
    MergeSide,
    combined_cart,
    joined_content,
    refusals_between,
    renamed_lines,
)
from ordercore.order.order import AddedHolding, AddedReservation, OrderContent
from ordercore.order.rules.regrouping import may_combine, may_merge_into, may_unmerge
from ordercore.party import ActorKind
from ordercore.ports import OrderQuery
from ordercore.pricing import ShippingCharge
from ordercore.tender import refunded_units
from ordercore.tender.parting import held_again
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.party import Actor
    from ordercore.pricing import Quote

__all__ = [
    "Candidate",
    "Combination",
    "candidates",
    "combine",
    "found_candidates",
    "preview_combination",
    "unmerge",
]

_LOG = logging.getLogger("ordercore.engine")
CANDIDATES_MAX = 500
"""Most orders of one search for orders that might be merged."""


@value
class Combination:
    """What merging two orders comes to; figures in minor units of their currency.

    ``was`` is what both cost before, ``total`` what the one costs, ``saved`` the difference and ``freight_saved`` what
    of it is freight. ``due`` is what must then be paid, ``owed`` what goes back; one of them is 0.
    ``quote`` explains the new price; ``None`` where both prices stand as they were, and in the answer to a repeated key.
    """

    order: Order
    added: str
    quote: Quote | None
    was: int
    total: int
    saved: int
    freight_saved: int
    due: int
    owed: int


@value
class Candidate:
    """Two orders that may become one, the basic one first; or why they may not."""

    basic: Order
    added: Order
    refusals: tuple[MergeRefusal, ...] = ()


def _freight(content: OrderContent) -> int:
    return sum([charge.total for charge in content.charges if charge.kind.value == "shipping"])


def _matrix(shop: Shop, basic: Order) -> MergeMatrix:
    return shop.policies.merging.matrices[basic.content.lifecycle]


def _refusals(
    shop: Shop, basic: MergeSide, added: MergeSide, by: Actor, overrule: str
) -> tuple[MergeRefusal, ...]:
    """What stands against merging, for this actor; staff may do for a reason what the table leaves to them."""
    found = list(refusals_between(basic, added, shop.policies.merging))
    matrix = shop.policies.merging.matrices.get(basic.order.content.lifecycle)
    if by.kind is ActorKind.CUSTOMER:
        found = [MergeRefusal(one.rule, one.reason) for one in found]
        if matrix is not None and not matrix.for_customer(added.order.state, basic.order.state):
            reason = "customers merge orders by themselves only while these are bought"
            found.append(MergeRefusal(MergeRule.STATUS, reason))
    elif overrule:
        found = [one for one in found if not one.by_staff]
    return tuple(found)


def _refuse(refusals: Sequence[MergeRefusal], basic: Order, added: Order) -> None:
    if refusals:
        reasons = "; ".join([one.reason for one in refusals])
        rules = tuple([one.rule.value for one in refusals])
        raise NotAllowed(
            f"{added.number} cannot be put to {basic.number}: {reasons}",
            order=basic.id, state=basic.state, added=added.id, rules=rules,
            overrule=all([one.by_staff for one in refusals]),
        )  # fmt: skip


class _Drawn:
    """A combination in the making."""

    __slots__ = ("command", "content", "quote")

    def __init__(self, command: CombineOrders, quote: Quote | None) -> None:
        self.command = command
        self.content = command.content
        self.quote = quote


def _dearer(one: ShippingCharge | None, other: ShippingCharge | None) -> ShippingCharge | None:
    """The larger of two freights: one parcel costs at least as much as either of two."""
    if one is None or other is None:
        return one or other
    return other if other.amount > one.amount else one


def _promised(basic: Order, added: Order) -> Promises:
    """The names under which goods and codes of both are held."""
    old, more = basic.content, added.content
    # what each still has to keep: one that a refund emptied promises nothing any more
    reservation = old.reservation
    kept = [AddedReservation(*one) for one in basic.reservations()[1:] if one[1]]
    for name, goods in added.reservations():
        if goods and not reservation:
            reservation = name
        elif goods:
            kept.append(AddedReservation(name, goods))
    holding, codes = old.coupon_holding, [*old.added_codes]
    if more.coupon_holding:
        names = [AddedHolding(more.coupon_holding, more.coupons), *more.added_codes]
        if not holding:
            holding = names.pop(0).name
        codes += names
    return Promises(reservation, holding, tuple(kept), tuple(codes))


def _priced(
    shop: Shop, basic: Order, added: Order, pay_by: datetime | None, shipping: ShippingCharge | None
) -> Flow[tuple[OrderContent, Quote | None, tuple[tuple[str, str], ...]]]:
    """What both cost as one: priced anew, or as they stand where that would be dearer."""
    carts = cart_of(basic), cart_of(added)
    taken = [line.id for line in carts[0].lines] + [fee.id for fee in carts[0].fees]
    names = renamed_lines(taken, [line.id for line in carts[1].lines])
    freight = shipping or _dearer(carts[0].shipping, carts[1].shipping)
    gone = refunded_units(basic.payments), refunded_units(added.payments)
    cart = combined_cart((basic.content, carts[0]), (added.content, carts[1]), names, freight, gone)
    codes = (*basic.content.coupons, *added.content.coupons)
    quote = yield from quote_cart(shop, cart, codes)
    held = _promised(basic, added)
    if quote.total <= _costs(basic) + _costs(added):
        return content_again(quote, basic.content, pay_by, held), quote, names
    if basic.payments.refunded_now or added.payments.refunded_now:
        reason = "together they would cost more than apart, and part of them was refunded"
        raise NotAllowed(reason, order=basic.id, state=basic.state, added=added.id)
    if quote.border is not None or basic.content.border or added.content.border:
        reason = "together they would cost more at the border than apart, and one parcel is declared as one"
        raise NotAllowed(reason, order=basic.id, state=basic.state, added=added.id)
    joined = joined_content(basic.content, added.content, names, cart, quote)
    return _held_as(joined, held, pay_by), None, names


def _held_as(content: OrderContent, held: Promises, pay_by: datetime | None) -> OrderContent:
    """The content with the promises of both."""
    return OrderContent(
        content.id, content.number, content.shop, content.kind, content.lifecycle,
        content.lifecycle_version, content.currency, content.customer, content.address,
        content.lines, content.charges, content.discounts, content.taxes, content.subtotal,
        content.discount, content.tax, content.net, content.total, content.rounding,
        content.scope, content.priced_at, content.placed_at, pay_by, held.reservation,
        content.extra, content.coupons, held.holding, content.points, content.border,
        content.settlement, content.ledger, content.attribution, content.cart, held.added,
        held.added_codes,
    )  # fmt: skip


def _costs(order: Order) -> int:
    """What the customer pays for what was not refunded."""
    return order.content.total - order.payments.refunded_now


def _drawn(
    shop: Shop,
    basic: Order,
    added: Order,
    by: Actor,
    shipping: ShippingCharge | None,
    overrule: str,
) -> Flow[_Drawn]:
    """The content of both as one, and the command that takes it in. Refused with every reason at once."""
    for order in (basic, added):
        owned(order, by)
    for order, guard in ((basic, may_combine), (added, may_merge_into)):
        if order.handling.gone:
            yield from step(shop, order, MergeInto(basic.id, basic.number), by)  # tells where
        if order.content.cart is None:
            asked(shop, order, guard, by)
    sides = MergeSide(basic), MergeSide(added)
    _refuse(_refusals(shop, *sides, by, overrule), basic, added)
    asked(shop, basic, may_combine, by)
    asked(shop, added, may_merge_into, by)
    within = shop.policies.timeouts.of(basic.content.kind).pay_within
    pay_by = None if basic.content.pay_by is None else shop.clock.now() + within
    content, quote, names = yield from _priced(shop, basic, added, pay_by, shipping)
    brought = held_again(added.payments)
    had = tuple([attempt.id for attempt in basic.payments.attempts if attempt.firm])
    called = dict(names)
    items = tuple([(called.get(line, line), status) for line, status in added.handling.items])
    merged = MergedIn(
        added.id, added.number, added.state, basic.state, tuple([a.id for a in brought]), had, 0,
        names, items,
    )  # fmt: skip
    state = _matrix(shop, basic).earlier(added.state, basic.state)
    name = f"{basic.id}/m{basic.version}"
    needed = overrule if refusals_between(*sides, shop.policies.merging) else ""
    return _Drawn(CombineOrders(content, merged, brought, state, name, needed), quote)


def _combination(
    basic: Order, added: Order, after: Order, now: Order, drawn: _Drawn
) -> Combination:
    was = _costs(basic) + _costs(added)
    total = drawn.content.total
    freight = _freight(basic.content) + _freight(added.content) - _freight(drawn.content)
    back = after.payments.refunded - basic.payments.refunded
    return Combination(now, added.id, drawn.quote, was, total, was - total, freight, now.due, back)


def preview_combination(
    shop: Shop,
    basic_id: str,
    added_id: str,
    by: Actor,
    shipping: ShippingCharge | None = None,
    overrule: str = "",
) -> Flow[Combination]:
    """What merging would come to; nothing is written. Refusals are those of the real thing, all at once."""
    checked_texts(MergeInto("", "", overrule=overrule))
    basic = yield from load(shop, basic_id)
    added = yield from load(shop, added_id)
    drawn = yield from _drawn(shop, basic, added, by, shipping, overrule)
    decision = yield from step(shop, basic, drawn.command, by)
    return _combination(basic, added, decision.order, decision.order, drawn)


def combine(
    shop: Shop,
    basic_id: str,
    added_id: str,
    key: str,
    by: Actor,
    shipping: ShippingCharge | None = None,
    shown: Combination | None = None,
    overrule: str = "",
) -> Flow[Combination]:
    """Put an order to another one. Raises `PriceChanged` when ``shown`` came to another total."""
    shop.outside()
    if shown is not None and type(shown) is not Combination:
        raise InvalidInput("it is what preview_combine gave", path="shown")
    checked_texts(MergeInto("", "", overrule=overrule))
    basic = yield from load(shop, basic_id)
    text = digest(basic_id, added_id, repr(shipping), overrule)
    receipt = Receipt(basic.shop, checked_key(key), "CombineOrders", text, basic_id)
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return (yield from _told_again(shop, earlier, added_id))
    last: list[tuple[Order, Order, _Drawn]] = []

    def draw() -> Flow[Together]:
        one = yield from load(shop, basic_id)
        other = yield from load(shop, added_id)
        drawn = yield from _drawn(shop, one, other, by, shipping, overrule)
        for order in (one, other):
            yield from let_go(shop, order)
        if shown is not None and drawn.content.total != shown.total:
            raise _another_price(one, shown.total, drawn.content.total)
        ours = yield from step(shop, one, drawn.command, by)
        into = MergeInto(one.id, one.number, overrule=drawn.command.overrule)
        theirs = yield from step(shop, other, into, by)
        change = made(shop, one, ours, by, "CombineOrders", receipt)
        if drawn.content.coupon_holding:
            change = owing(change, COUPONS)
        if drawn.content.reservation:
            change = owing(change, AMENDED)
        last[:] = [(one, other, drawn)]
        return Together((change, made(shop, other, theirs, by, "MergeInto")))

    written, earlier = yield from written_together(shop, receipt, by, draw)
    if written is None:
        assert earlier is not None
        return (yield from _told_again(shop, earlier, added_id))
    one, other, drawn = last[0]
    change = written.first
    now = yield from discharge(shop, change.order, by, made=change)
    return _combination(one, other, change.order, now, drawn)


def _told_again(shop: Shop, order: Order, added_id: str) -> Flow[Combination]:
    """The answer to a repeated key: what the merge came to then, and the order as it is now."""
    added = yield from load(shop, added_id)
    before: Order | None = None
    for past in (yield from call(shop.store.journal, order.id)):
        event = past.event
        if isinstance(event, Combined) and event.merged.order == added_id and before is not None:
            # what the merge itself gave back stands just before it
            asked = before.payments.refunds[event.merged.refunds :]
            back = sum([refund.amount for refund in asked])
            was = event.was - before.payments.refunded_now + back + _costs(added)
            freight = _freight(before.content) + _freight(added.content) - _freight(event.content)
            total = event.content.total
            return Combination(
                order, added_id, None, was, total, was - total, freight, order.due, back
            )
        before = evolve(before, event, past.at)
    total = order.content.total
    return Combination(order, added_id, None, total, total, 0, 0, order.due, order.owed)


def _another_price(order: Order, old: int, new: int) -> PriceChanged:
    code = order.currency
    why = "the price has changed since the preview"
    reason = f"together they came to {decimal_text(old, code)} {code}, and now to {decimal_text(new, code)}"
    return PriceChanged(reason, path="shown", old=old, new=new, why=why)


# Unmerge -----------------------------------------------------------------------------------------

_CONTENTS = (Placed, Adopted, SplitOff, Amended, Recovered, Rejoined)


def _before(shop: Shop, order: Order, merged: MergedIn) -> Flow[Order]:
    """The order before it took another one in; refused where what is agreed was changed since."""
    taken_in: dict[str, Order | None] = {}
    told: Order | None = None
    for past in (yield from call(shop.store.journal, order.id)):
        event = past.event
        if isinstance(event, Combined):
            taken_in[event.merged.order] = told
        elif isinstance(event, Unmerged):
            taken_in.pop(event.merged.order, None)
        elif isinstance(event, _CONTENTS):
            taken_in = dict.fromkeys(taken_in)
        told = evolve(told, event, past.at)
    found = taken_in.get(merged.order)
    if found is None:
        reason = "what is agreed was changed since they were merged: split the order instead"
        raise NotAllowed(reason, order=order.id, state=order.state)
    return found


def _given_back(now: Order, contents: Sequence[OrderContent]) -> list[AddedHolding]:
    """Codes that the one order gave back, as its price does not count on them, though those of before do."""
    kept = frozenset(now.content.coupons)
    found = []
    for content in contents:
        left = set(content.coupons)
        for one in reversed(content.added_codes):
            codes = left.intersection(one.codes)
            left -= codes
            found.append((one.name, codes))
        found.append((content.coupon_holding, left))
    return [
        AddedHolding(name, tuple(sorted(codes)))
        for name, codes in found
        if name and codes and kept.isdisjoint(codes)
    ]


def _held_again(shop: Shop, now: Order, contents: Sequence[OrderContent], by: Actor) -> Flow[None]:
    """Hold such codes again; raises `CouponUnavailable` where somebody else has one of them.

    Not for the clock: when time is up the orders part all the same, since an agreed price stands.
    If nothing is written after all, they lapse by themselves.
    """
    lost = _given_back(now, contents)
    if shop.coupons is None or not lost:
        return
    within = shop.policies.timeouts.of(now.content.kind).pay_within
    until = shop.clock.now() + within + shop.policies.stock.reserve_slack
    customer = now.content.customer.id
    if by.kind is not ActorKind.SYSTEM:
        yield from hold_codes(shop.coupons, lost, customer, until)
        return
    for one in lost:
        try:
            yield from hold_codes(shop.coupons, (one,), customer, until)
        except CouponUnavailable as error:
            _LOG.warning("order %s: %s", now.id, error)


def _settling_codes(one: Change) -> Change:
    content = one.order.content
    return owing(one, COUPONS) if content.coupon_holding or content.added_codes else one


def unmerge(shop: Shop, order_id: str, key: str, by: Actor) -> Flow[tuple[Order, Order]]:
    """Let the order that was put to this one last be apart again, each with its own goods and money."""
    if any([port is not None and not port.joins for port in (shop.stock, shop.coupons)]):
        shop.outside()
    order = yield from load(shop, order_id)
    receipt = Receipt(order.shop, checked_key(key), "UnmergeOrder", digest(order_id), order_id)
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return (yield from _as_apart(shop, earlier))

    def draw() -> Flow[Together]:
        now = yield from load(shop, order_id)
        owned(now, by)
        refusal = may_unmerge(now, situation(shop, now, by))
        if refusal is not None or now.handling.lineage is None:
            raise NotAllowed(
                "no order was put to this one" if refusal is None else refusal.reason,
                order=now.id, state=now.state,
            )  # fmt: skip
        merged = now.handling.lineage.merged[-1]
        old = yield from _before(shop, now, merged)
        withdrawn = old.delivery.withdrawn
        command = UnmergeOrder(old.content, merged, old.payments, withdrawn)
        ours = yield from step(shop, now, command, by)
        other = yield from load(shop, merged.order)
        theirs = yield from step(shop, other, RestoreOrder(now.id, merged.state), by)
        yield from _held_again(shop, now, (old.content, other.content), by)
        change = made(shop, now, ours, by, "UnmergeOrder", receipt)
        changes = (change, made(shop, other, theirs, by, "RestoreOrder"))
        return Together(tuple([_settling_codes(one) for one in changes]))

    written, earlier = yield from written_together(shop, receipt, by, draw)
    if written is None:
        assert earlier is not None
        return (yield from _as_apart(shop, earlier))
    return written.first.order, written.changes[1].order


def _as_apart(shop: Shop, order: Order) -> Flow[tuple[Order, Order]]:
    """The answer to a repeated key: both orders as they stand now."""
    for past in reversed((yield from call(shop.store.journal, order.id))):
        if isinstance(past.event, Unmerged):
            return order, (yield from load(shop, past.event.merged.order))
    return order, order


# Candidates --------------------------------------------------------------------------------------


def candidates(
    orders: Iterable[Order], shop: Shop, by: Actor, *, refused: bool = False
) -> tuple[Candidate, ...]:
    """Pairs of one customer that may be merged now, the earlier placed one as the basic order.

    Where that may not be, but the other way round may, the other way round. With ``refused`` also those that
    may not be merged, with every reason. A customer sees its own orders alone.
    """
    by_customer: dict[tuple[str, str, str], list[MergeSide]] = {}
    for count, order in enumerate(orders):
        if count >= CANDIDATES_MAX:
            raise InvalidInput(f"at most {CANDIDATES_MAX} orders at a time", path="orders")
        content = order.content
        if foreign(order, by):
            continue
        if content.customer.id and not order.handling.gone:
            key = (content.shop, content.customer.id, content.currency)
            by_customer.setdefault(key, []).append(MergeSide(order))
    found = []
    for mine in by_customer.values():
        mine.sort(key=lambda one: (one.order.content.placed_at, one.order.id))
        for i, basic in enumerate(mine):
            for added in mine[i + 1 :]:
                refusals = _refusals(shop, basic, added, by, "")
                if refusals and not _refusals(shop, added, basic, by, ""):
                    found.append(Candidate(added.order, basic.order))
                elif not refusals or refused:
                    found.append(Candidate(basic.order, added.order, refusals))
    return tuple(found)


def found_candidates(
    shop: Shop, query: OrderQuery | None, by: Actor, *, refused: bool
) -> Flow[tuple[Candidate, ...]]:
    """The same among the orders that a query finds; by default the last ones placed."""
    whose = by.id if acting(by).kind is ActorKind.CUSTOMER else ""
    if query is not None and type(query) is not OrderQuery:
        raise InvalidInput("a search is an OrderQuery", path="query")
    wanted = OrderQuery(customer=whose, limit=CANDIDATES_MAX) if query is None else query
    orders = yield from call(shop.store.find, wanted)
    return candidates(orders, shop, by, refused=refused)
