"""Amending and recovering: an order is priced again, its goods are promised again, and it is written at once.

A preview and the real thing take the same way up to the decision; a preview only does not write.
Goods and codes that come to the order are promised first, under names that follow from the key, and
lapse by themselves if nothing is written. What the order needs no more is freed after the write, by a timer
of the same change if nobody comes to it sooner.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from ordercore.change import Receipt, change
from ordercore.codec import FAULTS, to_plain
from ordercore.engine.discharging import discharge
from ordercore.engine.flow import call
from ordercore.engine.paying import give_up
from ordercore.engine.placing import checked_key, content_again
from ordercore.engine.quoting import quote_cart
from ordercore.engine.shop import (
    AMENDED,
    COUPONS,
    RETRIES_MAX,
    decided,
    digest,
    load,
    owing,
    repeated,
    situation,
    told,
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
from ordercore.goods import LineId
from ordercore.money import decimal_text
from ordercore.order import (
    AddedHolding,
    AddedReservation,
    Amend,
    OrderContent,
    Recover,
    amended_cart,
)
from ordercore.order.rules.amending import amend_by, may_amend, may_recover
from ordercore.pricing import Cart, CartLine
from ordercore.tender import refunded_units
from ordercore.value import value

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.money import Money
    from ordercore.order import CartChange, Command, Decision, Order
    from ordercore.party import Actor
    from ordercore.pricing import Quote

__all__ = ["Amendment", "amend", "preview_amendment", "recover"]


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


def cart_of(order: Order) -> Cart:
    """The cart that an order was priced from, as it stands today: lines with ids, without units that were refunded."""
    cart = order.content.cart
    if cart is None:
        raise NotAllowed("nothing is known of what it was priced from", order=order.id)
    gone = refunded_units(order.payments)
    if any(line.bundle and gone.get(line.id) for line in order.content.lines):
        reason = "part of a bundle was refunded: refund the rest of it instead"
        raise NotAllowed(reason, order=order.id)
    lines = []
    for i, line in enumerate(cart.lines):
        name = line.id or str(i + 1)
        left = line.quantity - gone.get(LineId(name), 0)
        if left > 0:
            lines.append(_line(line, name, left, line.unit_price))
    return _cart(cart, tuple(lines))


def _line(line: CartLine, name: str, quantity: int, price: Money) -> CartLine:
    return CartLine(
        line.sku, quantity, price, line.name, name, line.discounts, line.tax_category,
        line.tax_included, line.category, line.weight_grams, line.source_url, line.domestic_freight,
        line.attributes, line.extra, line.brand, line.kind, line.customs, line.components,
        line.floor_price, line.points,
    )  # fmt: skip


def _cart(cart: Cart, lines: tuple[CartLine, ...]) -> Cart:
    return Cart(
        cart.currency, lines, cart.discounts, cart.shipping, cart.kind, cart.shop, cart.customer,
        cart.address, cart.extra, cart.codes, cart.shopper, cart.fees, cart.attribution,
    )  # fmt: skip


class _Draft:
    """A new content in the making: priced, and with names for what it must promise anew."""

    __slots__ = ("codes", "content", "goods", "quote")

    def __init__(
        self,
        quote: Quote,
        content: OrderContent,
        goods: tuple[str, tuple[tuple[str, int], ...]],
        codes: tuple[str, tuple[str, ...]],
    ) -> None:
        self.quote = quote
        self.content = content
        self.goods = goods
        self.codes = codes


def _units(content: OrderContent) -> dict[str, int]:
    units: dict[str, int] = {}
    for line in content.lines:
        units[line.sku] = units.get(line.sku, 0) + line.quantity
    return units


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
    fresh = content_again(quote, old, pay_by)
    had = {} if anew else dict(order.stock_kept())
    wanted = _units(fresh)
    more = tuple([(sku, n - had.get(sku, 0)) for sku, n in wanted.items() if n > had.get(sku, 0)])
    new_codes = tuple([code for code in fresh.coupons if code not in held])
    reservation, holding = old.reservation, old.coupon_holding
    added, added_codes = _shrunk(old.added, had, wanted), old.added_codes
    goods: tuple[str, tuple[tuple[str, int], ...]] = ("", ())
    codes: tuple[str, tuple[str, ...]] = ("", ())
    if anew:
        added, added_codes, reservation, holding = (), (), "", ""
    if shop.stock is not None and more:
        # the goods too: decided anew, it may be others that come to the order
        goods = (f"res_{digest(origin, repr(more))}", more)
        if anew or not reservation:
            reservation = goods[0]
        else:
            added = (*added, AddedReservation(*goods))
    if shop.coupons is not None and new_codes:
        codes = (f"cpn_{digest(origin, *new_codes)}", new_codes)
        if holding:
            added_codes = (*added_codes, AddedHolding(*codes))
        else:
            holding = codes[0]
    elif new_codes:
        reason = "this engine has no coupon book, so nobody would hold the codes"
        raise CouponUnavailable(reason, path="changes", coupon=new_codes[0])
    content = OrderContent(
        fresh.id, fresh.number, fresh.shop, fresh.kind, fresh.lifecycle, fresh.lifecycle_version,
        fresh.currency, fresh.customer, fresh.address, fresh.lines, fresh.charges, fresh.discounts,
        fresh.taxes, fresh.subtotal, fresh.discount, fresh.tax, fresh.net, fresh.total,
        fresh.rounding, fresh.scope, fresh.priced_at, fresh.placed_at, fresh.pay_by, reservation,
        fresh.extra, fresh.coupons, holding, fresh.points, fresh.border, fresh.settlement,
        fresh.ledger, fresh.attribution, fresh.cart, added, added_codes,
    )  # fmt: skip
    return _Draft(quote, content, goods, codes)


_PARTS = ("lines", "charges", "discounts", "address", "coupons", "taxes", "total", "pay_by")


def _changed(old: OrderContent, new: OrderContent) -> tuple[str, ...]:
    return tuple([part for part in _PARTS if getattr(old, part) != getattr(new, part)])


def _checked(changes: Sequence[CartChange]) -> tuple[CartChange, ...]:
    if not isinstance(changes, list | tuple):
        reason = 'changes are a list: write [ChangeQuantity("1", 2)]'
        raise InvalidInput(reason, path="changes")
    return tuple(changes)


def _text(order_id: str, changes: Sequence[Any]) -> str:
    """What a key of an amendment stands for."""
    plain = [(type(change).__name__, _plain(change)) for change in changes]
    return digest(order_id, json.dumps(plain, sort_keys=True, default=str))


def _plain(change: Any) -> Any:
    """A change as its key stands for it; one of wrong types as it shows itself: the cart's check names it later."""
    try:
        return to_plain(change)
    except (*FAULTS, OrdercoreError):
        return repr(change)


def preview_amendment(
    shop: Shop, order_id: str, changes: Sequence[CartChange], by: Actor, overrule: str = ""
) -> Flow[Amendment]:
    """What changes would make of an order; nothing is written or promised. Refusals are those of the real thing."""
    wanted = _checked(changes)
    order = yield from load(shop, order_id)
    _ask(shop, order, by)
    cart = amended_cart(cart_of(order), wanted)
    draft = yield from _drafted(shop, order, cart, "preview", order.content.pay_by, anew=False)
    command = _amend(order, draft, overrule)
    decision = yield from decided(shop, order, command, situation(shop, order, by))
    return _amendment(order, decision, draft)


def _ask(shop: Shop, order: Order, by: Actor) -> None:
    """Refuse an order that cannot be amended by its own reason, before one of its lines is looked for."""
    refusal = may_amend(order, situation(shop, order, by))
    if refusal is not None and not order.handling.sealed:
        raise NotAllowed(refusal.reason, order=order.id, state=order.state)


def _amend(order: Order, draft: _Draft, overrule: str) -> Amend:
    name = f"{order.id}/a{order.version}"
    return Amend(draft.content, _changed(order.content, draft.content), name, overrule)


def _amendment(before: Order, decision: Decision, draft: _Draft) -> Amendment:
    after = decision.order
    back = after.payments.refunded - before.payments.refunded
    return Amendment(
        after, draft.quote, _changed(before.content, draft.content), before.content.total,
        draft.content.total, after.due, back,
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
    order = yield from load(shop, order_id)
    receipt = Receipt(order.shop, checked_key(key), "Amend", _text(order_id, wanted), order_id)
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return _as_it_stands(earlier)
    if order.payments.in_flight:
        amended_cart(cart_of(order), wanted)  # what cannot be leaves the payment under way alone
        if not overrule:
            refused = amend_by(order, situation(shop, order, by))
            if refused is not None:
                raise NotAllowed(refused.reason, order=order.id, state=order.state)
        order = yield from give_up(shop, order, by)
    origin = digest(order.shop, key, receipt.digest)

    def draw(now: Order) -> Flow[tuple[_Draft, Command]]:
        _ask(shop, now, by)
        cart = amended_cart(cart_of(now), wanted)
        draft = yield from _drafted(shop, now, cart, origin, now.content.pay_by, anew=False)
        if shown is not None and draft.content.total != shown.total:
            raise _another_price(now, shown.total, draft.content.total)
        return draft, _amend(now, draft, overrule)

    made, draft, before = yield from _committed(shop, order, receipt, by, draw)
    if made is None:
        return _as_it_stands(before)
    order = yield from discharge(shop, made.order, by, made=made)
    back = made.order.payments.refunded - before.payments.refunded
    return Amendment(
        order, draft.quote, _changed(before.content, draft.content), before.content.total,
        draft.content.total, order.due, back,
    )  # fmt: skip


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
) -> Flow[tuple[Change | None, _Draft, Order]]:
    """Draft, promise, decide, write; when the order was changed meanwhile, all anew.

    Gives the change, the draft and the order before; ``None`` for a key whose effect is there already.
    """
    tries = 0
    promised = ""
    while True:
        where = situation(shop, order, by)
        try:
            draft, command = yield from draw(order)
            decision = yield from decided(
                shop, order, command, where
            )  # refused before anything is promised
        except OrdercoreError:
            if shop.stock is not None and promised:
                yield from call(shop.stock.release, promised)
            raise
        if shop.stock is not None and promised not in {"", draft.goods[0]}:
            yield from call(shop.stock.release, promised)  # it is others that come to the order now
        promised = draft.goods[0]
        yield from _promise(shop, decision.order, draft)
        made = change(
            order, decision, where.at, by, receipt.command, shop.policies.timeouts,
            where.lifecycle, receipt,
        )  # fmt: skip
        if order.holdings() or draft.codes[0]:
            made = owing(made, COUPONS)
        if decision.order.content.reservation:
            made = owing(made, AMENDED)
        try:
            yield from call(shop.store.commit, (made,))
        except (KeyReused, Stale) as error:
            earlier = yield from repeated(shop, receipt, by)
            if earlier is not None:
                return None, draft, earlier
            tries += 1
            if tries > RETRIES_MAX or isinstance(error, KeyReused):
                raise
        else:
            yield from told(shop, made)
            return made, draft, order
        order = yield from load(shop, order.id)


def _promise(shop: Shop, after: Order, draft: _Draft) -> Flow[None]:
    """Promise what comes to the order: goods first, then codes. It is made final after the write,
    so that what was never written lapses by itself."""
    now, slack = shop.clock.now(), shop.policies.stock.reserve_slack
    pay_by = after.content.pay_by
    until = (pay_by if pay_by is not None and pay_by > now else now) + slack
    name, goods = draft.goods
    if shop.stock is not None and name:
        yield from call(shop.stock.reserve, name, goods, until)
    holding, codes = draft.codes
    if shop.coupons is not None and holding:
        try:
            yield from call(shop.coupons.hold, holding, codes, after.content.customer.id, until)
        except CouponUnavailable:
            if shop.stock is not None and name:
                yield from call(shop.stock.release, name)
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

    The goods are promised first: without them it stays canceled.
    """
    shop.outside()
    order = yield from load(shop, order_id)
    named = sorted((sku, str(price)) for sku, price in prices.items())
    receipt = Receipt(
        order.shop, checked_key(key), "Recover", digest(order_id, repr(named)), order_id
    )
    earlier = yield from repeated(shop, receipt, by)
    if earlier is not None:
        return earlier
    origin = digest(order.shop, key, receipt.digest)

    def draw(now: Order) -> Flow[tuple[_Draft, Command]]:
        cart = now.content.cart
        if cart is None:
            raise NotAllowed("nothing is known of what it was priced from", order=order_id)
        if may_recover(now, situation(shop, now, by)) is None:
            yield from _free_former(shop, now)
        lines = tuple(
            [
                _line(
                    line,
                    line.id or str(i + 1),
                    line.quantity,
                    prices.get(line.sku, line.unit_price),
                )
                for i, line in enumerate(cart.lines)
            ]
        )
        within = shop.policies.timeouts.of(now.content.kind).pay_within
        pay_by = None if now.content.pay_by is None else shop.clock.now() + within
        draft = yield from _drafted(shop, now, _cart(cart, lines), origin, pay_by, anew=True)
        return draft, Recover(draft.content, overrule)

    made, _, before = yield from _committed(shop, order, receipt, by, draw)
    if made is None:
        return before
    return (yield from discharge(shop, made.order, by, made=made))


def _free_former(shop: Shop, before: Order) -> Flow[None]:
    """Free what the canceled order may still hold, because nobody came to it: its names are not known after this."""
    if shop.stock is not None:
        for name, keep in before.reservations():
            yield from call(shop.stock.release, name, keep)
    if shop.coupons is not None:
        for name, _ in before.holdings():
            yield from call(shop.coupons.release, name)
