"""Placing: from a quote to an order, at the price that was shown."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from ordercore.change import Receipt, change
from ordercore.clock import utc
from ordercore.engine.flow import Step, call
from ordercore.engine.promises import final_at_once, promised_first, release
from ordercore.engine.quoting import quote_cart
from ordercore.engine.shop import (
    AMENDED,
    COUPONS,
    acting,
    digest,
    owing,
    repeated,
    text_digest,
    told,
)
from ordercore.errors import (
    CouponUnavailable,
    InsideTransaction,
    InvalidCart,
    InvalidInput,
    KeyReused,
    NotAllowed,
    PriceChanged,
    Stale,
    StoreError,
    UnknownLifecycle,
)
from ordercore.fulfillment import ReserveAt
from ordercore.money import decimal_text
from ordercore.order import AddedHolding, AddedReservation, Moved, OrderContent, Situation, place
from ordercore.order.amendment import in_utc
from ordercore.order.rules.instalment import PAY_DEPOSIT
from ordercore.party import ActorKind, Party
from ordercore.pricing.checking import check_types
from ordercore.pricing.priced import extra_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from ordercore.change import Change
    from ordercore.engine.flow import Flow
    from ordercore.engine.shop import Shop
    from ordercore.lifecycle import Lifecycle
    from ordercore.order import Order
    from ordercore.party import Actor
    from ordercore.ports import CouponBook, StockKeeper
    from ordercore.pricing import Cart, Quote

__all__ = ["Promises", "codes_of", "content_again", "hold_codes", "locked", "place_order"]

_new = tuple.__new__  # makes a step at the speed of C: for the steps of each order
KEY_MAX = 200
"""Longest idempotency key."""


def checked_key(key: str) -> str:
    """An idempotency key: 1 to `KEY_MAX` characters."""
    if not isinstance(key, str) or not 0 < len(key) <= KEY_MAX:
        raise InvalidInput(f"a key has 1 to {KEY_MAX} characters", path="key")
    return key


def locked(shop: Shop, quote: Quote, now: datetime) -> Flow[Quote]:
    """The quote at the price that was shown; after its time, only if today's price is the same.

    Whatever prices an order again (placing, amending, reviving) comes through here.
    Raises `PriceChanged` with the old and the new figure.
    """
    if now <= quote.valid_until:
        if quote.total != sum([row.total for row in quote.rows()]):
            raise InvalidCart("the quote does not add up: it was changed", path="quote.total")
        return quote
    fresh = yield from quote_cart(shop, quote.cart)
    if fresh.same_figures(quote):
        return fresh
    code = quote.currency
    why = f"the quote lapsed at {quote.valid_until.isoformat()}"
    old, new = decimal_text(quote.total, code), decimal_text(fresh.total, code)
    reason = f"the price was {old} {code} and is now {new}: {why}"
    raise PriceChanged(reason, path="quote", old=quote.total, new=fresh.total, why=why)


def _content(
    shop: Shop, quote: Quote, owner: Party, number: str, chart: Lifecycle[Order], now: datetime,
    reservation: str, held: tuple[AddedHolding, ...],
) -> OrderContent:  # fmt: skip
    cart = in_utc(quote.cart)
    return OrderContent(
        shop.ids.new("ord"), number, cart.shop, cart.kind, chart.name, chart.version,
        quote.currency, owner, cart.address, quote.lines, quote.charges, quote.discounts, quote.taxes,
        quote.subtotal, quote.discount, quote.tax, quote.net, quote.total, quote.rounding,
        quote.scope, quote.at, now, _pay_by(shop, cart, now) if chart.prepaid else None, reservation,
        extra_text(cart.extra, "cart.extra") if cart.extra else "", codes_of(quote),
        held[0].name if held else "", quote.points, quote.border, quote.settlement, quote.ledger,
        cart.attribution, cart, (), held[1:],
    )  # fmt: skip


def _pay_by(shop: Shop, cart: Cart, now: datetime) -> datetime:
    """Until when what is asked first is to be paid; a deposit before the time for its balance ends."""
    pay_by = now + shop.policies.timeouts.of(cart.kind).pay_within
    return pay_by if cart.presale is None else min(pay_by, cart.presale.balance_until)


def _check_presale(cart: Cart, chart: Lifecycle[Order], now: datetime) -> None:
    """Refuse a presale whose time is over, and one under a lifecycle without parts."""
    presale = cart.presale
    if presale is None:
        return
    if PAY_DEPOSIT not in chart.table[chart.initial]:
        reason = f"the lifecycle {chart.name!r} takes no deposit: it lists no {PAY_DEPOSIT!r}"
        raise InvalidInput(reason, path="lifecycle", lifecycle=chart.name)
    if presale.balance_until <= now:
        reason = f"the time for the balance ended at {presale.balance_until.isoformat()}"
        raise InvalidCart(reason, path="cart.presale.balance_until")


class Promises(NamedTuple):
    """The names under which goods and codes are held for an order."""

    reservation: str
    holding: str
    added: tuple[AddedReservation, ...]
    added_codes: tuple[AddedHolding, ...]


def content_again(
    quote: Quote, old: OrderContent, pay_by: datetime | None, held: Promises | None = None
) -> OrderContent:
    """What is agreed from now on: the same order at another quote. Without ``held``, what is held for it
    stays as it was named."""
    cart = quote.cart
    if held is None:
        held = Promises(old.reservation, old.coupon_holding, old.added, old.added_codes)
    return OrderContent(
        old.id, old.number, old.shop, old.kind, old.lifecycle, old.lifecycle_version,
        quote.currency, old.customer, cart.address, quote.lines, quote.charges, quote.discounts,
        quote.taxes, quote.subtotal, quote.discount, quote.tax, quote.net, quote.total,
        quote.rounding, quote.scope, quote.at, old.placed_at, pay_by, held.reservation, old.extra,
        codes_of(quote), held.holding, quote.points, quote.border, quote.settlement,
        quote.ledger, old.attribution, cart, held.added, held.added_codes,
    )  # fmt: skip


def codes_of(quote: Quote) -> tuple[str, ...]:
    """The coupon codes that its price counts on, each once; a code that did nothing is none of them."""
    codes = [off.code for off in quote.discounts if off.code]
    return tuple(dict.fromkeys(codes)) if codes else ()


def _owner(quote: Quote, by: Actor) -> Party:
    """Who the order belongs to: the cart's customer, or the customer who places it."""
    acting(by)
    customer = quote.cart.customer
    if by.kind is not ActorKind.CUSTOMER or by.id == customer.id:
        return customer
    if customer.id:
        reason = "a customer places an order for nobody else"
        raise NotAllowed(reason, path="by", customer=customer.id)
    return Party(by.id, customer.name, customer.email, customer.phone, customer.vat_id)


def _chart(shop: Shop, lifecycle: str) -> Lifecycle[Order]:
    try:
        return shop.lifecycles.get(lifecycle)
    except UnknownLifecycle as error:
        raise error.at("lifecycle") from None


def _digest(quote: Quote, owner: Party, lifecycle: str) -> str:
    """What a key stands for: who buys what at which price, how, and where it goes."""
    try:
        return _digested(quote, owner, lifecycle)
    except (TypeError, AttributeError):
        check_types(quote.cart, quote.policy, quote.facts)  # tells the first field of another type
        raise


def _digested(quote: Quote, owner: Party, lifecycle: str) -> str:
    cart = quote.cart
    who, to = owner, cart.address
    return text_digest(
        quote.currency, str(quote.total), lifecycle, cart.kind.value,
        who.id, who.name, who.email, who.phone, who.vat_id,
        to.name, *to.lines, to.city, to.region, to.postcode, to.country, to.phone,
        extra_text(cart.extra, "cart.extra") if cart.extra else "",
        *[
            f"{line.id}:{line.sku}*{line.quantity}@{line.unit_price}={line.total}/{line.tax}"
            f"{line.name}{line.attributes or ''}{line.extra}"
            for line in quote.lines
        ],
        *[f"{charge.id}:{charge.name}={charge.total}/{charge.tax}" for charge in quote.charges],
        *[f"coupon:{code}" for code in codes_of(quote)],
        *_presale_text(cart),
    )  # fmt: skip


def _presale_text(cart: Cart) -> tuple[str, ...]:
    presale = cart.presale
    if presale is None:
        return ()
    opens, until = utc(presale.balance_from), utc(presale.balance_until)
    return (f"{presale.kind.value}:{presale.deposit}:{presale.counts}:{opens}:{until}",)


def _check_joined(shop: Shop, *, coupons: bool) -> None:
    """Refuse promises that would stay when the host's transaction is rolled back."""
    if not shop.store.joined:
        return
    if shop.stock is not None and not shop.stock.joins:
        raise InsideTransaction("the stock keeper is not in the host's transaction")
    if coupons and shop.coupons is not None and not shop.coupons.joins:
        raise InsideTransaction("the coupon book is not in the host's transaction")


def hold_codes(
    book: CouponBook, held: Sequence[AddedHolding], customer: str, until: datetime
) -> Flow[None]:
    """Hold every code under its own name, so that each can be given back alone; all or none of them.

    In the order of the codes, so that of two shoppers with the same ones one gets them all.
    """
    done: list[str] = []
    for one in sorted(held, key=_by_code):
        try:
            yield from call(book.hold, one.name, one.codes, customer, until)
        except CouponUnavailable:
            for name in done:
                yield from call(book.release, name)
            raise
        done.append(one.name)


def _by_code(held: AddedHolding) -> tuple[str, ...]:
    return held.codes


def _promised(
    shop: Shop,
    quote: Quote,
    owner: Party,
    origin: tuple[str, str, str],
    now: datetime,
    *,
    prepaid: bool,
) -> Flow[tuple[str, tuple[AddedHolding, ...]]]:
    """Promise the goods, then hold the codes; the names of both, empty for none.

    The names follow from ``origin``, the shop, the key and the content: a key whose first order was never
    written may come with other goods.
    """
    policies, stock, book, codes = shop.policies, shop.stock, shop.coupons, codes_of(quote)
    until = _pay_by(shop, quote.cart, now) + policies.stock.reserve_slack
    if codes and book is None:
        reason = "this engine has no coupon book, so nobody would hold the codes"
        raise CouponUnavailable(reason, path="quote.discounts", coupon=codes[0])
    reservation = name = ""
    if stock is not None:
        reservation = f"res_{digest(*origin)}"
        needs = tuple([(line.sku, line.quantity) for line in quote.lines])
        name, goods = promised_first(shop, quote.cart, reservation, needs, prepaid=prepaid)
        if goods:
            yield _new(Step, (stock.reserve, (name, goods, until), None))
    if book is None or not codes:
        return reservation, ()
    # the codes too: a quote that was priced anew may count on others at the same price
    held = tuple([AddedHolding(f"cpn_{digest(*origin, code)}", (code,)) for code in codes])
    try:
        yield from hold_codes(book, held, owner.id, until)
    except CouponUnavailable:
        if stock is not None:  # the shopper may want the same goods at the full price
            yield from call(stock.release, name)
        raise
    return reservation, held


def place_order(shop: Shop, quote: Quote, key: str, by: Actor, lifecycle: str) -> Flow[Order]:
    """Place an order: goods and codes are promised first, under names that follow from the key, then
    it is written.

    A crash between the two leaves promises that a retry finds again, or that expire.
    """
    chart = _chart(shop, lifecycle)
    owner = _owner(quote, by)
    content_digest = _digest(quote, owner, lifecycle)
    receipt = Receipt(quote.shop, checked_key(key), "Place", content_digest, "")
    stock, coupons = shop.stock, shop.coupons is not None and bool(codes_of(quote))
    _check_joined(shop, coupons=coupons)
    if stock is not None or coupons:
        earlier = yield from repeated(shop, receipt, by)
        if earlier is not None:
            return earlier
    now = shop.clock.now()
    try:
        _check_presale(quote.cart, chart, now)
        agreed = yield from locked(shop, quote, now)
    except (PriceChanged, InvalidInput):  # also a cart that has no price any more
        earlier = yield from repeated(shop, receipt, by)
        if earlier is None:
            raise
        return earlier
    origin = (quote.shop, key, content_digest)
    reservation, held = yield from _promised(
        shop, agreed, owner, origin, now, prepaid=chart.prepaid
    )
    template = shop.policies.numbers
    sequence = template.sequence(now, quote.shop)
    count: int = yield _new(Step, (shop.store.next_number, (sequence,), None))
    number = template.render(now, quote.shop, count)
    content = _content(shop, agreed, owner, number, chart, now, reservation, held)
    decision = place(
        content, Situation(now, by, chart, shop.policies.posting, shop.policies.handling)
    )
    receipt = Receipt(quote.shop, key, "Place", content_digest, content.id)
    made = change(None, decision, now, by, "Place", shop.policies.timeouts, chart, receipt)
    # one that is collected whenever it suits has no window after which its promises would lapse
    final = not chart.prepaid or any([isinstance(event, Moved) for event in decision.events])
    return (yield from _written(shop, made, by, final=final))


def _written(shop: Shop, made: Change, by: Actor, *, final: bool) -> Flow[Order]:
    """Write the new order; ``final`` makes what was promised to it final."""
    stock, order = shop.stock, made.order
    reservation, holding = order.content.reservation, order.content.coupon_holding
    if stock is not None and final:
        yield from _made_final(shop, stock, order)
    if final and holding:
        made = owing(made, COUPONS)
    at_once = stock is not None and not final and final_at_once(shop, order.content.cart)
    if at_once:  # after the write, so that what was never written lapses by itself
        made = owing(made, AMENDED)
    try:
        yield _new(Step, (shop.store.commit, ((made,),), None))
    except (KeyReused, Stale):  # stale: this very order was written, and the answer was lost
        assert made.receipt is not None
        earlier = yield from repeated(shop, made.receipt, by)
        if earlier is None:
            raise
        return earlier
    except StoreError:
        if stock is not None and final:
            yield from call(stock.release, reservation)  # what is final does not lapse by itself
        raise
    if shop.hooks:
        yield from told(shop, made)
    if at_once or (final and holding):
        yield from release(shop, made)
    return order


def _made_final(shop: Shop, stock: StockKeeper, order: Order) -> Flow[None]:
    """Make the goods final of an order that waits for no payment; promised now, where they were not before."""
    content = order.content
    if shop.policies.stock.reserves(content.kind) is ReserveAt.PAYMENT:
        until = content.placed_at + shop.policies.stock.reserve_slack
        yield from call(stock.reserve, content.reservation, order.stock_kept(), until)
    yield from call(stock.deduct, content.reservation)
