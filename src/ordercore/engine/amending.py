"""Amending and recovering: an order is priced again, its goods are promised again, and it is written at once.

A preview and the real thing take the same way up to the decision; a preview only does not write.
Goods and codes that come to the order are promised first, under names that follow from the key, and
lapse by themselves if nothing is written. What the order needs no more is freed after the write, by a timer
of the same change if nobody comes to it sooner.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import attrs

from ordercore.change import Receipt, change
from ordercore.engine.discharging import discharge
from ordercore.engine.flow import call
from ordercore.engine.paying import give_up
from ordercore.engine.placing import Promises, checked_key, codes_of, content_again, hold_codes
from ordercore.engine.quoting import quote_cart
from ordercore.engine.shelves import freed
from ordercore.engine.shop import (
    AMENDED,
    COUPONS,
    RETRIES_MAX,
    checked_texts,
    decided,
    digest,
    load,
    owing,
    repeated,
    situation,
    told,
    without_waiting,
)
from ordercore.errors import (
    CouponUnavailable,
    InvalidInput,
    KeyReused,
    NotAllowed,
    OrdercoreError,
    PriceChanged,
    Stale,
)
from ordercore.fulfillment import Withdrawn
from ordercore.goods import LineId
from ordercore.money import decimal_text
from ordercore.order import (
    AddedHolding,
    AddedReservation,
    Amend,
    Amended,
    ChangeAddress,
    Moved,
    OrderContent,
    Recover,
    amended_cart,
)
from ordercore.order.amendment import cart_left, cart_with, line_as
from ordercore.order.events import RevenueRecognized, Reviewed
from ordercore.order.facts import deposit_taken
from ordercore.order.rules.amending import may_amend, may_recover
from ordercore.party import Address
from ordercore.pricing import Cart
from ordercore.tender import refunded_units
from ordercore.tender.events import RefundRequested
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import datetime

    from ordercore.change import Change, Recorded
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.event import Event
    from ordercore.money import Money
    from ordercore.order import CartChange, Command, Order
    from ordercore.party import Actor
    from ordercore.pricing import Quote

__all__ = ["Amendment", "amend", "cart_of", "let_go", "preview_amendment", "recover"]


@value
class Amendment:
    """What an amendment makes of an order; figures in minor units of its currency.

    ``was`` is the total before, ``total`` the one after. ``due`` is what must then be paid in addition,
    ``owed`` what goes back; one of them is 0. ``changed`` names the parts of what was agreed that differ.
    ``quote`` explains the new price; ``None`` in the answer to a repeated key.
    """

    order: Order
    quote: Quote | None
    changed: tuple[str, ...]
    was: int
    total: int
    due: int
    owed: int


def cart_of(order: Order, gone: Mapping[LineId, int] | None = None) -> Cart:
    """The cart that an order was priced from, as it stands today: lines with ids, without units that were refunded
    and what of fixed discounts was for them.

    ``gone`` are those units by line; by default all that were refunded of what is agreed today.
    """
    cart = order.content.cart
    if cart is None:
        raise NotAllowed("nothing is known of what it was priced from", order=order.id)
    gone = refunded_units(order.payments) if gone is None else gone
    if any(line.bundle and gone.get(line.id) for line in order.content.lines):
        reason = "part of a bundle was refunded: refund the rest of it instead"
        raise NotAllowed(reason, order=order.id)
    content = order.content
    return cart_left(cart, content.lines, content.discounts, gone)


class _Draft:
    """A new content in the making: priced, and with names for what it must promise anew."""

    __slots__ = ("codes", "content", "goods", "quote")

    def __init__(
        self,
        quote: Quote | None,
        content: OrderContent,
        goods: AddedReservation | None,
        codes: tuple[AddedHolding, ...],
    ) -> None:
        self.quote = quote
        self.content = content
        self.goods = goods
        self.codes = codes


def _units(quote: Quote) -> dict[str, int]:
    units: dict[str, int] = {}
    for line in quote.lines:
        units[line.sku] = units.get(line.sku, 0) + line.quantity
    return units


def _kept(order: Order) -> tuple[AddedReservation, ...]:
    """What was added, as far as the order still needs it: units that were refunded are held no more.

    A name that needs nothing is dropped: `let_go` has freed it by then.
    """
    return tuple([AddedReservation(*one) for one in order.reservations()[1:] if one[1]])


def _held(
    shop: Shop, order: Order, wanted: tuple[str, ...], origin: str, *, anew: bool
) -> tuple[str, tuple[AddedHolding, ...], tuple[AddedHolding, ...]]:
    """The first name and the added names under which codes are held, and those to be held now, each by itself."""
    old = order.content
    new = tuple([code for code in wanted if anew or code not in old.coupons])
    if new and shop.coupons is None:
        reason = "this engine has no coupon book, so nobody would hold the codes"
        raise CouponUnavailable(reason, path="changes", coupon=new[0])
    codes = tuple([AddedHolding(f"cpn_{digest(origin, code)}", (code,)) for code in new])
    if anew:
        return codes[0].name if codes else "", codes[1:], codes
    needed = dict(order.holdings())
    kept = tuple([one for one in old.added_codes if needed[one.name]])
    if not old.coupon_holding and codes:
        return codes[0].name, (*kept, *codes[1:]), codes
    return old.coupon_holding, (*kept, *codes), codes


def let_go(shop: Shop, order: Order) -> Flow[None]:
    """Free once more what was added and is needed no more: its names are not in the next content."""
    if shop.stock is not None:
        for name, goods in order.reservations()[1:]:
            if not goods:
                yield from call(shop.stock.release, name)
    if shop.coupons is not None:
        added = {one.name for one in order.content.added_codes}
        for name, needed in order.holdings():
            if name in added and not needed:
                yield from call(shop.coupons.release, name)


def _shrunk(
    added: tuple[AddedReservation, ...], had: Mapping[str, int], wanted: Mapping[str, int]
) -> tuple[AddedReservation, ...]:
    """What was added, without units that go again: the last ones first, as they may not be paid for."""
    over = {sku: n - wanted.get(sku, 0) for sku, n in had.items() if n > wanted.get(sku, 0)}
    kept: list[AddedReservation] = []
    for one in reversed(added):
        goods = []
        for sku, units in one.goods:
            gone = min(units, over.get(sku, 0))
            if gone:
                over[sku] -= gone
            if units > gone:
                goods.append((sku, units - gone))
        kept.append(AddedReservation(one.name, tuple(goods)))
    return tuple(reversed(kept))


def _drafted(
    shop: Shop, order: Order, cart: Cart, origin: str, pay_by: datetime | None, *, anew: bool
) -> Flow[_Draft]:
    """Price the cart for this order. ``anew``: nothing is promised to it any more."""
    old = order.content
    held = () if anew else old.coupons
    quote = yield from quote_cart(shop, cart, held)
    had = {} if anew else dict(order.stock_kept())
    wanted = _units(quote)
    more = tuple([(sku, n - had.get(sku, 0)) for sku, n in wanted.items() if n > had.get(sku, 0)])
    reservation, goods = ("" if anew else old.reservation), None
    added = () if anew else _shrunk(_kept(order), had, wanted)
    if shop.stock is not None and more:
        # the goods too: decided anew, it may be others that come to the order
        goods = AddedReservation(f"res_{digest(origin, repr(more))}", more)
        if reservation:
            added = (*added, goods)
        else:
            reservation = goods.name
    holding, added_codes, codes = _held(shop, order, codes_of(quote), origin, anew=anew)
    promises = Promises(reservation, holding, added, added_codes)
    content = content_again(quote, old, pay_by, promises)
    return _Draft(quote, content, goods, codes)


_FIELDS = attrs.fields(cast("Any", OrderContent))
AMENDMENTS_MAX = 200
"""Most amendments of one order."""
_PARTS = ("lines", "charges", "discounts", "address", "coupons", "taxes", "total", "pay_by")


def _changed(old: OrderContent, new: OrderContent) -> tuple[str, ...]:
    return tuple([part for part in _PARTS if getattr(old, part) != getattr(new, part)])


def _checked(changes: Sequence[CartChange]) -> tuple[CartChange, ...]:
    if not isinstance(changes, list | tuple):
        reason = 'changes are a list: write [ChangeQuantity("1", 2)]'
        raise InvalidInput(reason, path="changes")
    return tuple(changes)


def _text(order_id: str, changes: Sequence[Any], overrule: str) -> str:
    """What a key of an amendment stands for."""
    plain = [(type(change).__name__, _plain(change)) for change in changes]
    return digest(order_id, json.dumps([plain, overrule], sort_keys=True, default=str))


def _plain(change: Any) -> Any:
    """A change as its key stands for it; one of wrong types as it shows itself: the cart's check names it later."""
    from ordercore.codec import FAULTS, to_plain  # loaded when somebody amends

    try:
        return to_plain(change)
    except (*FAULTS, OrdercoreError):
        return repr(change)


def preview_amendment(
    shop: Shop, order_id: str, changes: Sequence[CartChange], by: Actor, overrule: str = ""
) -> Flow[Amendment]:
    """What changes would make of an order; nothing is written or promised. Refusals are those of the real thing."""
    wanted = _checked(changes)
    order = without_waiting(shop, (yield from load(shop, order_id)), by)
    draft, command = yield from _drawn(shop, order, wanted, "preview", by, overrule)
    decision = yield from decided(shop, order, command, situation(shop, order, by))
    return _amendment(order, decision.order, decision.order, draft)


def _drawn(
    shop: Shop, order: Order, changes: tuple[CartChange, ...], origin: str, by: Actor, overrule: str
) -> Flow[tuple[_Draft, Command]]:
    """The amended content of an order, priced, and the command that takes it in."""
    _ask(shop, order, by)
    yield from _counted(shop, order)
    if order.handling.lineage is not None and order.handling.lineage.parent:
        content = _readdressed(order, changes)
        changed = _changed(order.content, content)
        return _Draft(None, content, None, ()), checked_texts(Amend(content, changed, "", overrule))
    cart = amended_cart(cart_of(order), changes)
    draft = yield from _drafted(shop, order, cart, origin, order.content.pay_by, anew=False)
    name = f"{order.id}/a{order.version}"
    changed = _changed(order.content, draft.content)
    return draft, checked_texts(Amend(draft.content, changed, name, overrule))


def _readdressed(order: Order, changes: tuple[CartChange, ...]) -> OrderContent:
    """A part of an order that was split goes elsewhere at the price that it has; refused for any other change."""
    old = order.content
    address = old.address
    for i, wanted in enumerate(changes):
        if type(wanted) is not ChangeAddress or type(wanted.address) is not Address:
            reason = "it was priced as a part of another order: rejoin that first, or change its address alone"
            raise NotAllowed(reason, path=f"changes[{i}]", order=order.id, state=order.state)
        address = wanted.address
    now, was = address.destination(), old.address.destination()
    if (now.country, now.region) != (was.country, was.region):
        reason = (
            "elsewhere it would have another price: rejoin the order that it is a part of first"
        )
        raise NotAllowed(reason, path="changes", order=order.id, state=order.state)
    values: Any = {field.name: getattr(old, field.name) for field in _FIELDS}
    return OrderContent(**{**values, "address": address})


def _counted(shop: Shop, order: Order) -> Flow[None]:
    """Refuse one amendment too many: each is written with all that is agreed."""
    if order.version <= AMENDMENTS_MAX:
        return  # it has not even as many events
    history = yield from call(shop.store.journal, order.id)
    if sum([type(past.event) is Amended for past in history]) >= AMENDMENTS_MAX:
        reason = f"it was amended {AMENDMENTS_MAX} times: cancel it and place a new order"
        raise NotAllowed(reason, order=order.id, state=order.state)


def _ask(shop: Shop, order: Order, by: Actor) -> None:
    """Refuse an order that cannot be amended by its own reason, before one of its lines is looked for."""
    refusal = may_amend(order, situation(shop, order, by))
    if refusal is not None and not order.handling.sealed:
        raise NotAllowed(refusal.reason, order=order.id, state=order.state)


def _amendment(before: Order, made: Order, now: Order, draft: _Draft) -> Amendment:
    """What an amendment came to: the order before it, as it was decided, and as it stands now."""
    back = made.payments.refunded - before.payments.refunded
    return Amendment(
        now, draft.quote, _changed(before.content, draft.content), before.content.total,
        draft.content.total, now.due, back,
    )  # fmt: skip


def amend(
    shop: Shop,
    order_id: str,
    changes: Sequence[CartChange],
    key: str,
    by: Actor,
    shown: Amendment | None = None,
    overrule: str = "",
) -> Flow[Amendment]:
    """Change what was agreed. Raises `PriceChanged` when ``shown`` came to another total."""
    shop.outside()
    wanted = _checked(changes)
    if shown is not None and type(shown) is not Amendment:
        raise InvalidInput("it is what preview_amendment gave", path="shown")
    order = yield from load(shop, order_id)
    text = _text(order_id, wanted, overrule)
    receipt = Receipt(order.shop, checked_key(key), "Amend", text, order_id)
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return _as_it_stands(earlier)
    origin = digest(order.shop, key, receipt.digest)

    def draw(now: Order) -> Flow[tuple[_Draft, Command]]:
        draft, command = yield from _drawn(shop, now, wanted, origin, by, overrule)
        if shown is not None and draft.content.total != shown.total:
            raise _another_price(now, shown.total, draft.content.total)
        return draft, command

    order, promised = yield from _cleared(shop, order, by, draw)
    made, draft, before = yield from _committed(shop, order, receipt, by, draw, promised)
    if made is None or draft is None:
        return _as_it_stands(before)
    order = yield from discharge(shop, made.order, by, made=made)
    return _amendment(before, made.order, order, draft)


def _cleared(
    shop: Shop, order: Order, by: Actor, draw: Callable[[Order], Flow[tuple[_Draft, Command]]]
) -> Flow[tuple[Order, str]]:
    """The order without the payment that waits, given up only once the amendment was priced, decided on the
    order without it, and its goods and codes are promised; and the name of those goods.

    A refusal before that ends nothing.
    """
    if not order.payments.in_flight:
        return order, ""
    free = without_waiting(shop, order, by)
    if free is order:
        return (
            yield from give_up(shop, order, by)
        ), ""  # nothing waits: calls that are owed anyway
    draft, command = yield from draw(free)
    decision = yield from decided(shop, free, command, situation(shop, free, by))
    yield from _promise(shop, decision.order, draft)
    return (yield from give_up(shop, order, by)), _name(draft)


def _name(draft: _Draft) -> str:
    return "" if draft.goods is None else draft.goods.name


def _as_it_stands(order: Order) -> Amendment:
    """The answer to a repeated key: the order as it is now."""
    total = order.content.total
    return Amendment(order, None, (), total, total, order.due, order.owed)


def _another_price(order: Order, old: int, new: int) -> PriceChanged:
    code = order.currency
    why = "the price has changed since the preview"
    reason = f"the amended total was {decimal_text(old, code)} {code} and is now {decimal_text(new, code)}"
    return PriceChanged(reason, path="shown", old=old, new=new, why=why)


def _committed(
    shop: Shop,
    order: Order,
    receipt: Receipt,
    by: Actor,
    draw: Callable[[Order], Flow[tuple[_Draft, Command]]],
    promised: str = "",
) -> Flow[tuple[Change | None, _Draft | None, Order]]:
    """Draft, promise, decide, write; when the order was changed meanwhile, all anew.

    Gives the change, the draft and the order before; ``None`` for a key whose effect is there already.
    ``promised`` names goods that were promised for it before.
    """
    tries = 0
    while True:
        where = situation(shop, order, by)
        try:
            draft, command = yield from draw(order)
            decision = yield from decided(
                shop, order, command, where
            )  # refused before anything is promised
        except OrdercoreError:
            if shop.stock is not None and promised:
                earlier = yield from repeated(shop, receipt, by)
                if earlier is not None:  # the same command was quicker, and the goods are its own
                    return None, None, earlier
                yield from call(shop.stock.release, promised)
            raise
        if shop.stock is not None and promised not in {"", _name(draft)}:
            yield from call(shop.stock.release, promised)  # it is others that come to the order now
        promised = _name(draft)
        yield from _promise(shop, decision.order, draft)
        yield from let_go(shop, order)
        made = change(
            order, decision, where.at, by, receipt.command, shop.policies.timeouts,
            where.lifecycle, receipt,
        )  # fmt: skip
        if order.holdings() or draft.codes:
            made = owing(made, COUPONS)
        if decision.order.content.reservation:
            made = owing(made, AMENDED)
        try:
            yield from call(shop.store.commit, (made,))
        except (KeyReused, Stale) as error:
            # first: a receipt that is not found after this is not of this order
            order = yield from load(shop, order.id)
            earlier = yield from repeated(shop, receipt, by)
            if earlier is not None:
                return None, draft, earlier
            tries += 1
            if tries > RETRIES_MAX or isinstance(error, KeyReused):
                raise
        else:
            yield from told(shop, made)
            return made, draft, order


def _promise(shop: Shop, after: Order, draft: _Draft) -> Flow[None]:
    """Promise what comes to the order: goods first, then codes. It is made final after the write,
    so that what was never written lapses by itself."""
    now, slack = shop.clock.now(), shop.policies.stock.reserve_slack
    pay_by = after.content.pay_by
    if after.presale is not None and deposit_taken(after):
        pay_by = after.presale.balance_until
    until = (pay_by if pay_by is not None and pay_by > now else now) + slack
    goods = draft.goods
    if shop.stock is not None and goods is not None:
        yield from call(shop.stock.reserve, goods.name, goods.goods, until)
    if shop.coupons is not None and draft.codes:
        try:
            yield from hold_codes(shop.coupons, draft.codes, after.content.customer.id, until)
        except CouponUnavailable:
            if shop.stock is not None and goods is not None:
                yield from call(shop.stock.release, goods.name)
            raise


def recover(
    shop: Shop,
    order_id: str,
    prices: Mapping[str, Money],
    key: str,
    by: Actor,
    overrule: str = "",
) -> Flow[Order]:
    """Let a canceled order live again, at the prices of the day; ``prices`` are unit prices by sku.

    The goods are promised first: without them it stays canceled. Units that were refunded before it was
    canceled stay refunded.
    """
    shop.outside()
    _check_prices(prices)
    order = yield from load(shop, order_id)
    named = sorted((sku, str(price)) for sku, price in prices.items())
    text = digest(order_id, json.dumps([named, overrule], default=repr))
    receipt = Receipt(order.shop, checked_key(key), "Recover", text, order_id)
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return earlier
    origin = digest(order.shop, key, receipt.digest)

    def draw(now: Order) -> Flow[tuple[_Draft, Command]]:
        recoverable = may_recover(now, situation(shop, now, by)) is None
        gone: dict[LineId, int] = {}
        if recoverable:
            gone = _refunded_before(now, (yield from call(shop.store.journal, now.id)))
            _check_skus(now, prices)
        cart = cart_of(now, gone)
        if not cart.lines:
            reason = "all of it was refunded before: place a new order"
            raise NotAllowed(reason, order=order_id, state=now.state)
        if recoverable:
            yield from _free_former(shop, now)
        lines = tuple(
            [line_as(line, line.id, line.quantity, prices.get(line.sku)) for line in cart.lines]
        )
        within = shop.policies.timeouts.of(now.content.kind).pay_within
        pay_by = None if now.content.pay_by is None else shop.clock.now() + within
        draft = yield from _drafted(shop, now, cart_with(cart, lines), origin, pay_by, anew=True)
        return draft, checked_texts(Recover(draft.content, overrule))

    made, _, before = yield from _committed(shop, order, receipt, by, draw)
    if made is None:
        return before
    return (yield from discharge(shop, made.order, by, made=made))


def _check_prices(prices: object) -> None:
    """Refuse what is no mapping of articles to money."""
    from ordercore.money import Money  # py-moneyed is loaded when it is needed

    if not isinstance(prices, Mapping):
        reason = 'prices are a mapping: write {"SKU-1": Money("9.90", "CNY")}'
        raise InvalidInput(reason, path="prices")
    for sku, price in prices.items():
        if not isinstance(sku, str) or type(price) is not Money:
            raise InvalidInput("a price is an article with Money", path=f"prices[{sku!r}]")


def _check_skus(order: Order, prices: Mapping[str, Money]) -> None:
    """Refuse a price of what the order does not have: it would be recovered at another one than was meant."""
    cart = order.content.cart
    known = () if cart is None else tuple(dict.fromkeys([line.sku for line in cart.lines]))
    for sku in prices:
        if sku not in known:
            reason = f"the order has no article {sku!r}"
            raise InvalidInput(reason, path=f"prices[{sku!r}]", known=known)


_WITH_THE_END = (RefundRequested, Withdrawn, Reviewed, Moved, RevenueRecognized)


def _with_the_end(history: Sequence[Recorded], at: int) -> list[Event]:
    """Events of the change that ended the order, down to the refund that it asked, if any."""
    end = history[at]
    found: list[Event] = []
    for past in reversed(history[:at]):
        same = (past.at, past.by, past.command) == (end.at, end.by, end.command)
        if not same or not isinstance(past.event, _WITH_THE_END):
            break
        found.append(past.event)
        if isinstance(past.event, RefundRequested):
            break
    return found


def _refunded_before(order: Order, history: Sequence[Recorded]) -> dict[LineId, int]:
    """Units by line that were refunded before the order ended; what its end gave back lives again with it."""
    at = len(history) - 1
    while at >= 0 and not (isinstance(event := history[at].event, Moved) and event.releases):
        at -= 1
    if at < 0:  # it was taken over as one that had ended
        return {}
    after = [past.event for past in history[at + 1 :]] + _with_the_end(history, at)
    ending = {event.refund.id for event in after if isinstance(event, RefundRequested)}
    units: dict[LineId, int] = {}
    for done in order.payments.refunds[order.payments.settled :]:
        for row in done.rows if done.id not in ending else ():
            units[row.row] = units.get(row.row, 0) + row.units
    return units


def _free_former(shop: Shop, before: Order) -> Flow[None]:
    """Free what the canceled order may still hold, because nobody came to it: its names are not known after this."""
    if shop.stock is not None:
        yield from freed(shop.stock, before)
    if shop.coupons is not None:
        for name, _ in before.holdings():
            yield from call(shop.coupons.release, name)
